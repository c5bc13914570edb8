"""Fits hostile and real tables with `diffeo fit` and writes benchmarks/results/tables.md."""
