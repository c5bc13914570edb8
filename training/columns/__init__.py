"""The kinds of the columns of a table, and its rows as the graphs take them."""
