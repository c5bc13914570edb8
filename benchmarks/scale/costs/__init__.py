"""The costs of one step, and how they follow from the measurements."""
