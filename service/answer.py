"""An answer before it has a wire format: which model spoke, what it said, and which rows it could not answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Tensor = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class InvalidRow:
    """A row without an answer and why: non_finite_input or non_finite_output."""

    row: int
    reason: str


class Answer(NamedTuple):
    """What goes back to the client.

    Attributes:
        model: the model that answered.
        version: the version that answered.
        columns: the names of the columns of x.
        facts: further names and values, in the order in which they are shown.
        tensors: x or z [rows, D], log_prob and log_abs_det_jacobian [rows]; NaN where a row is invalid.
        invalid_rows: the rows without an answer, ascending.
    """

    model: str
    version: int
    columns: tuple[str, ...]
    tensors: Mapping[str, Tensor]
    facts: Mapping[str, object] = MappingProxyType({})
    invalid_rows: tuple[InvalidRow, ...] = ()
