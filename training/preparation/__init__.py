"""Prepares a flow for its fit: the numbers that the table decides, its shape and its start from the training rows."""
