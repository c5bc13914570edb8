"""An answer as flat columns: x under its own names, z as z0, z1, ..., a vector under its own; no name stands twice."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from ...answer import Tensor
from ..codec import Outline

# Tensors of shape [rows, D]; all others are [rows].
TABLES: Final = frozenset({"x", "z"})
OWN: Final = re.compile(r"z[0-9]+|log_prob|log_abs_det_jacobian")

Schema = Mapping[str, np.dtype[np.floating]]


def schema(outline: Outline) -> Schema:
    """The type of each column by its name, in the order in which they are shown."""
    return {name: dtype for tensor, dtype in outline.dtypes.items() for name in _names(tensor, outline.columns)}


def vectors(outline: Outline, tensors: Mapping[str, Tensor]) -> Iterator[Tensor]:
    """The columns themselves [rows], in the schema's order."""
    for name in outline.dtypes:
        yield from tensors[name].T if name in TABLES else (tensors[name],)


def _names(tensor: str, columns: tuple[str, ...]) -> tuple[str, ...]:
    if tensor not in TABLES:
        return (tensor,)
    # Judged by the names alone and not by what else is in the answer: a column keeps its name whatever is asked for.
    if tensor == "x" and not any(map(OWN.fullmatch, columns)):
        return columns
    return tuple(f"{tensor}{index}" for index in range(len(columns)))
