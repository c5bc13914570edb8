"""A robust affine map for each column: to median 0 and the quartile range of a standard normal."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# The quartiles of N(0, 1) are 1.349 apart.
NORMAL_QUARTILE_RANGE: Final = 1.3489795003921634


@dataclass(frozen=True, slots=True)
class Scaling:
    """u = (x - centre) / scale for each column.

    Attributes:
        centre: medians [D].
        scale: quartile ranges of a normal [D], above 0.
    """

    centre: Array
    scale: Array

    @classmethod
    def of(cls, rows: Array) -> Self:
        """The scaling of rows [n, D].

        A column whose quartiles are equal has the scale of its standard deviation; a constant column has scale 1.

        >>> Scaling.of(np.array([[0.0], [1.0], [2.0], [3.0], [1e9]])).centre
        array([2.])
        """
        low, centre, high = np.quantile(rows, (0.25, 0.5, 0.75), axis=0)
        scale = (high - low) / NORMAL_QUARTILE_RANGE
        # Values of at most 1, so that no square overflows.
        largest = np.maximum(np.abs(rows - centre).max(axis=0), np.finfo(np.float64).tiny)
        spread = largest * np.sqrt(np.square((rows - centre) / largest).mean(axis=0))
        scale = np.where(scale > 0, scale, spread)
        return cls(centre, np.where(scale > np.finfo(np.float64).tiny, scale, 1.0))

    @property
    def log_abs_det(self) -> float:
        """log|det du/dx|, nats."""
        return -float(np.log(self.scale).sum())

    def forward(self, x: Array) -> Array:
        """x [n, D] -> u [n, D]."""
        u: Array = (x - self.centre) / self.scale
        return u

    def inverse(self, u: Array) -> Array:
        """u [n, D] -> x [n, D]."""
        x: Array = self.centre + u * self.scale
        return x
