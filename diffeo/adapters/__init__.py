"""Adapters that make a flow usable in other libraries, one file per library.

Each accepts any `diffeo.density.Density`: a remote model or a local one.
"""
