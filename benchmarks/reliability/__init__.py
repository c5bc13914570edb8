"""Reliability: what the server promises under hostile, heavy and broken load, and what was measured."""
