"""The statistics of one column; no sum overflows, whatever the values."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]

MOST_DECIMALS: Final = 8
# Values that decide how many decimals a column has.
DECIMAL_VALUES: Final = 5000
# Values are rounded to the same decimals as they were written if they differ by rounding errors of float64 alone.
ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """The statistics of the finite values of one column.

    Attributes:
        count: number of values.
        values: the different values, ascending.
        counts: how many rows hold each of them.
        mean: their mean.
        std: their standard deviation, with divisor n.
        median: their median.
        iqr: their interquartile range.
        decimals: number of decimals; None if the values are not rounded.
    """

    count: int
    values: Vector
    counts: npt.NDArray[np.int64]
    mean: float
    std: float
    median: float
    iqr: float
    decimals: int | None

    @property
    def minimum(self) -> float:
        """The least value."""
        return float(self.values[0])

    @property
    def maximum(self) -> float:
        """The greatest value."""
        return float(self.values[-1])

    @property
    def distinct(self) -> int:
        """Number of different values."""
        return len(self.values)

    @property
    def most_common(self) -> float:
        """The value that most rows hold."""
        return float(self.values[int(np.argmax(self.counts))])

    @property
    def most_common_share(self) -> float:
        """The share of the rows that hold it."""
        return float(self.counts.max() / self.count)

    @property
    def is_whole(self) -> bool:
        """True if all values are whole numbers."""
        return self.decimals == 0


def measure(values: Vector) -> ColumnStatistics:
    """The statistics of finite values [n], n > 0.

    >>> found = measure(np.array([1.0, 2.0, 2.0, 4.0]))
    >>> found.mean, found.distinct, found.most_common, found.decimals
    (2.25, 3, 2.0, 0)
    """
    different, counts = np.unique(values, return_counts=True)
    scale = float(max(abs(different[0]), abs(different[-1]))) or 1.0
    # Values of at most 1, so that no sum overflows.
    unit = values / scale
    mean, std = float(unit.mean()) * scale, float(unit.std()) * scale
    quarter, median, three_quarters = _quantiles(different, counts, len(values))
    return ColumnStatistics(
        len(values), different, counts, mean, std, median, three_quarters - quarter, _decimals(different)
    )


def _quantiles(values: Vector, counts: npt.NDArray[np.int64], count: int) -> tuple[float, float, float]:
    ends = np.cumsum(counts)
    at = np.searchsorted(ends, np.array([0.25, 0.5, 0.75]) * count, side="left")
    found = values[np.minimum(at, len(values) - 1)]
    return float(found[0]), float(found[1]), float(found[2])


def _decimals(values: Vector) -> int | None:
    step = max(1, len(values) // DECIMAL_VALUES)
    some = values[::step]
    largest = float(np.abs(some).max())
    if largest >= 2.0**53:
        return None
    if np.all(values == np.round(values)):
        return 0
    for decimals in range(1, MOST_DECIMALS + 1):
        if np.all(np.abs(some - np.round(some, decimals)) <= ROUNDING * np.maximum(np.abs(some), 10.0**-decimals)):
            return decimals
    return None
