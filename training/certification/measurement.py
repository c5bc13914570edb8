"""A measurement: the largest error of one property of a pair of graphs, and the row that has it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from diffeo.bundle.manifest import Check, CheckName

Array = npt.NDArray[np.float64]

LARGEST: Final = float(np.finfo(np.float64).max)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measured value.

    Attributes:
        name: the check that it belongs to.
        value: the largest error.
        rows: how many rows were measured.
        about: unit and conditions, for the reader of the certificate.
        worst: the row [D] with the largest error.
    """

    name: CheckName
    value: float
    rows: int
    about: str
    worst: tuple[float, ...]

    @classmethod
    def of(cls, name: CheckName, errors: Array, rows: Array, about: str) -> Self:
        """The largest of the errors [n] of the rows [n, D]."""
        index = int(errors.argmax())
        return cls(name, float(errors[index]), len(errors), about, tuple(rows[index]))

    def check(self, tolerances: Mapping[CheckName, float]) -> Check:
        """The measurement beside its tolerance; NaN and infinity become the largest finite number."""
        value = float(np.nan_to_num(self.value, nan=LARGEST, posinf=LARGEST))
        tolerance = tolerances[self.name]
        return Check(name=self.name, value=value, tolerance=tolerance, rows=self.rows, about=self.about)


def relative(got: npt.NDArray[np.floating], expected: Array) -> Array:
    """|got - expected|, divided by |expected| where that is above 1."""
    return np.abs(got - expected) / np.maximum(1.0, np.abs(expected))


def worst(*errors: Array) -> Array:
    """The largest error of each row [n] over all its numbers; NaN counts as the largest of all."""
    columns = [np.nan_to_num(error, nan=LARGEST, posinf=LARGEST).reshape(len(error), -1) for error in errors]
    result: Array = np.concatenate(columns, axis=1).max(axis=1)
    return result
