"""A figure is one property of a pair of graphs as measured, with its worst row; figures in tolerance certify them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch

from diffeo.bundle.manifest import Certificate, Check, CheckName

from ..errors import CertificateError

Array = npt.NDArray[np.float64]

LARGEST: Final = float(np.finfo(np.float64).max)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value, on how many rows, and the row [D] on which it is worst."""

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
        """The figure beside its tolerance."""
        value = float(np.nan_to_num(self.value, nan=LARGEST, posinf=LARGEST))
        tolerance = tolerances[self.name]
        return Check(name=self.name, value=value, tolerance=tolerance, rows=self.rows, about=self.about)


def issue(figures: Iterable[Figure], tolerances: Mapping[CheckName, float]) -> Certificate:
    """The certificate with these figures.

    Raises:
        CertificateError: a figure is out of tolerance; the message names the figures and the worst rows.
    """
    checks = [(figure.check(tolerances), figure.worst) for figure in figures]
    failures = [_failure(check, worst) for check, worst in checks if not check.holds]
    if failures:
        raise CertificateError("\n".join(failures))
    return Certificate(
        reference="the flow in float64, torch " + torch.__version__.split("+")[0],
        runtime=f"onnxruntime {onnxruntime.__version__}, CPUExecutionProvider",
        checks=tuple(check for check, _ in checks),
    )


def relative(got: npt.NDArray[np.floating], expected: Array) -> Array:
    """|got - expected|, in units of the expected value where that is above 1."""
    return np.abs(got - expected) / np.maximum(1.0, np.abs(expected))


def worst(*errors: Array) -> Array:
    """The largest error of each row [n] over all its numbers; what is not a number is the worst of all."""
    columns = [np.nan_to_num(error, nan=LARGEST, posinf=LARGEST).reshape(len(error), -1) for error in errors]
    result: Array = np.concatenate(columns, axis=1).max(axis=1)
    return result


def _failure(check: Check, row: tuple[float, ...]) -> str:
    numbers = ", ".join(f"{value:.6g}" for value in row)
    return f"{check.name} is {check.value:.3g}, tolerance {check.tolerance:.0e} ({check.about}); worst row [{numbers}]"
