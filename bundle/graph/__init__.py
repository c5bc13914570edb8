"""Checks the graph of a flow before a runtime loads it: `inspect` does it, OPERATORS lists the operators."""

from .inspection import inspect
from .operators import INT8_OPERATORS, OPERATORS

__all__ = ["INT8_OPERATORS", "OPERATORS", "inspect"]
