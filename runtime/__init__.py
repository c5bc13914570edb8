"""Computes the graphs of a bundle: engines, rows that are not finite, usable cores. It uses no settings and no HTTP."""
