"""The result of an operation before it is encoded: tensors, the model that computed them, rows without a result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt

Tensor = npt.NDArray[np.floating]
# A number that is NaN or infinite; a result that is; a number where the density is zero, by the kind of its column.
Reason = Literal["non_finite_input", "non_finite_output", "outside_bounds", "not_a_whole_number"]


@dataclass(frozen=True, slots=True)
class InvalidRow:
    """A row without a result, and the reason."""

    row: int
    reason: Reason


def invalid_rows(
    rows: Sequence[int], finite_input: Sequence[bool], zero_density: Sequence[Reason | None]
) -> tuple[InvalidRow, ...]:
    """The rows without a result.

    Args:
        rows: their numbers.
        finite_input: whether all numbers of each were finite.
        zero_density: why the density of each is zero; None if it is not, or if nobody asked.

    >>> invalid_rows([2, 5], [False, True], [None, None])[0]
    InvalidRow(row=2, reason='non_finite_input')
    """
    return tuple(
        InvalidRow(row, (why or "non_finite_output") if finite else "non_finite_input")
        for row, finite, why in zip(rows, finite_input, zero_density, strict=True)
    )


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
