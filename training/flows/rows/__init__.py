"""Sums and logarithms of the numbers of each row, with the same bits at every position of the row in its batch."""
