"""Compares diffeo with other model servers under the same load."""
