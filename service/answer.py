"""The result of an operation before it is encoded: tensors, the model that computed them, rows without a result."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

Tensor = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class InvalidRow:
    """A row without a result, and the reason: non_finite_input or non_finite_output."""

    row: int
    reason: str


class Answer(NamedTuple):
    """The result of one operation.

    Attributes:
        model: name of the model that computed it.
        version: version of that model.
        columns: names of the columns of x.
        tensors: x or z [rows, D], log_prob and log_abs_det_jacobian [rows]; NaN where a row is invalid.
        metadata: further fields of the answer, such as seed and next_start, in the order in which they are written.
        invalid_rows: the rows without a result, ascending.
    """

    model: str
    version: int
    columns: tuple[str, ...]
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, object] = MappingProxyType({})
    invalid_rows: tuple[InvalidRow, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerSchema:
    """The number of rows and the type of each tensor: all that a stream has to know before its first row.

    Attributes:
        rows: number of rows of the answer.
        columns: names of the columns of x.
        dtypes: type of each tensor by name, in the order in which the tensors are written.
    """

    rows: int
    columns: tuple[str, ...]
    dtypes: Mapping[str, np.dtype[np.floating]]

    @classmethod
    def of(cls, answer: Answer) -> Self:
        """The schema of an answer that is already computed."""
        dtypes = {name: tensor.dtype for name, tensor in answer.tensors.items()}
        return cls(max(map(len, answer.tensors.values()), default=0), answer.columns, dtypes)
