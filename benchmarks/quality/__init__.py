"""Fits diffeo and other density models to the same rows by the same clock, and compares their held-out losses."""
