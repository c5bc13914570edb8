"""Publishes a fitted flow: exports and certifies its graphs, compares it with its data, and writes the report."""
