"""Benchmarks: each is a module, run with `python -m benchmarks.NAME`. `python -m benchmarks` lists them."""
