"""Measures jobs over files."""
