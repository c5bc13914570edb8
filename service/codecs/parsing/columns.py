"""The columns of an answer in csv and Arrow: x under the model's names, z as z0, z1, ...; every name is unique."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from ...answer import AnswerSchema, Tensor

# The tensors of shape [rows, D]; all others are [rows].
TABLE_TENSORS: Final = frozenset({"x", "z"})
RESERVED_NAME: Final = re.compile(r"z[0-9]+|log_prob|log_abs_det_jacobian")


def column_dtypes(schema: AnswerSchema) -> Mapping[str, np.dtype[np.floating]]:
    """The type of each column by name, in the order in which the columns are written."""
    return {name: dtype for tensor, dtype in schema.dtypes.items() for name in _column_names(tensor, schema.columns)}


def column_vectors(schema: AnswerSchema, tensors: Mapping[str, Tensor]) -> Iterator[Tensor]:
    """The numbers of each column [rows], in the same order."""
    for name in schema.dtypes:
        yield from tensors[name].T if name in TABLE_TENSORS else (tensors[name],)


def _column_names(tensor: str, columns: tuple[str, ...]) -> tuple[str, ...]:
    if tensor not in TABLE_TENSORS:
        return (tensor,)
    # Depends only on the model's columns, so that a column has the same name whichever outputs are requested.
    if tensor == "x" and not any(map(RESERVED_NAME.fullmatch, columns)):
        return columns
    return tuple(f"{tensor}{index}" for index in range(len(columns)))
