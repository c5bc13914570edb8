"""Checks the graph of a flow before a runtime loads it: `inspect` does it, and `weights` reads its numbers."""

from .content import weights
from .inspection import inspect
from .operators import INT8_OPERATORS, OPERATORS

__all__ = ["INT8_OPERATORS", "OPERATORS", "inspect", "weights"]
