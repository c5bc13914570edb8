"""Checks graphs before a runtime loads them: `inspect` one, and `check_weights` the two of a bundle."""

from .content import weights
from .inspection import inspect
from .operators import INT8_OPERATORS, OPERATORS
from .pair import check_weights

__all__ = ["INT8_OPERATORS", "OPERATORS", "check_weights", "inspect", "weights"]
