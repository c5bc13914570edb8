"""Tables of any kind become rows of a model: one rule for columns and cells."""
