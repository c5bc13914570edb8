"""Measures stops, restarts, deaths of workers, swaps of versions, and clients that disconnect."""
