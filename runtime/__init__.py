"""Computes a bundle's graphs: engines, rows that are not finite, usable cores. Knows no settings and no HTTP."""
