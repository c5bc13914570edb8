"""Compares samples with held-out rows in each column: a test, quantiles, and the share outside of the range."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import stats

from diffeo.bundle.schema.quality import MAX_COLUMNS_KEPT, QUANTILE_LEVELS, ColumnQuality, Test

from ..rounding import rounded
from .adjustment import holm

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

# A column with at most this many distinct held-out values is compared value by value.
MOST_DISCRETE_VALUES: Final = 50
# Numbers of both tables together that one cell of the chi-squared test holds at least, so that 5 are expected of each.
CELL_VALUES: Final = 20
MOST_EXACT_ROWS: Final = 500
TAILS: Final = (0.01, 0.99)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of a test of two samples of numbers: its name, its statistic in [0, 1] and its p-value."""

    test: Test
    statistic: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Tails:
    """The share of samples beyond the 1 % and the 99 % quantile of the data, and the p-value of equal tails."""

    beyond: float
    p_value: float


def compare_columns(
    train: Array,
    held_out: Array,
    samples: Array,
    names: Sequence[str],
    is_discrete: Sequence[bool] | None = None,
) -> tuple[ColumnQuality, ...]:
    """One comparison for each column, in the order of the columns; of more than 256 columns the worst are kept.

    Args:
        train: rows [n, D] that give the range of each column.
        held_out: rows [m, D].
        samples: rows [k, D].
        names: of the columns.
        is_discrete: columns that are compared value by value; by default those with at most 50 distinct values.
    """
    comparisons = [
        compare(
            held_out[:, index],
            samples[:, index],
            is_discrete=None if is_discrete is None else is_discrete[index],
        )
        for index in range(len(names))
    ]
    tails = [compare_tails(held_out[:, index], samples[:, index]) for index in range(len(names))]
    p_values = np.array([(one.p_value, tail.p_value) for one, tail in zip(comparisons, tails, strict=True)])  # [D, 2]
    adjusted = holm(p_values.ravel()).reshape(p_values.shape)
    low, high = train.min(axis=0), train.max(axis=0)
    outside = holm(outside_p_values(outside_of(held_out, low, high), outside_of(samples, low, high)))
    kept = sorted(np.argsort(np.minimum(adjusted.min(axis=1), outside), kind="stable")[:MAX_COLUMNS_KEPT].tolist())
    return tuple(
        ColumnQuality(
            name=names[index],
            test=comparisons[index].test,
            statistic=rounded(comparisons[index].statistic),
            p_value=rounded(float(adjusted[index, 0])),
            beyond=rounded(tails[index].beyond),
            tails_p_value=rounded(float(adjusted[index, 1])),
            data=quantiles(held_out[:, index], float(high[index] - low[index])),
            samples=quantiles(samples[:, index], float(high[index] - low[index])),
            data_whole=is_whole(held_out[:, index]),
            samples_whole=is_whole(samples[:, index]),
            low=float(low[index]),
            high=float(high[index]),
            below=rounded(float((samples[:, index] < low[index]).mean())),
            above=rounded(float((samples[:, index] > high[index]).mean())),
            outside_p_value=rounded(float(outside[index])),
        )
        for index in kept
    )


def compare(data: Array, samples: Array, *, is_discrete: bool | None = None) -> Comparison:
    """Tests whether two samples [n] and [m] of numbers have the same distribution.

    Continuous numbers: the two-sample test of Kolmogorov and Smirnov, sup |F - G|. With a few equal numbers, as in a
    column with many zeros, its p-value is too large rather than too small.

    Numbers that repeat: total variation distance of the two tables of values, sum |p - q| / 2, with the p-value of the
    chi-squared test of homogeneity. Rare values next to each other share a cell.

    >>> compare(np.arange(100.0), np.arange(100.0)).p_value
    1.0
    """
    if _has_few_values(data) if is_discrete is None else is_discrete:
        return _compare_values(data, samples)
    # The asymptotic law is wrong for a handful of rows, and the exact one takes long for thousands.
    exact = max(len(data), len(samples)) <= MOST_EXACT_ROWS
    result = stats.ks_2samp(data, samples, method="exact" if exact else "asymp")
    return Comparison("Kolmogorov-Smirnov", float(result.statistic), float(result.pvalue))


def _has_few_values(data: Array) -> bool:
    # The first numbers of a continuous column already show that it has many values.
    if len(np.unique(data[: 20 * MOST_DISCRETE_VALUES])) > MOST_DISCRETE_VALUES:
        return False
    return len(np.unique(data)) <= MOST_DISCRETE_VALUES < len(data)


def compare_tails(data: Array, samples: Array) -> Tails:
    """Tests whether the tails of two samples [n] and [m] of numbers hold equal shares of both.

    The test of Kolmogorov and Smirnov hardly sees tails. Of all numbers above the 99 % quantile of both tables
    together, those that are samples are hypergeometric if the law is the same; likewise below the 1 % quantile. The
    p-value is four times the smallest of the two tails and the two directions, at most 1.

    >>> compare_tails(np.arange(1000.0), np.arange(1000.0)).beyond
    0.02
    """
    low, high = np.quantile(np.concatenate([data, samples]), TAILS)
    p_values = []
    for mine, theirs in ((samples < low, data < low), (samples > high, data > high)):
        count, other = int(mine.sum()), int(theirs.sum())
        p_values.append(more_often(count, len(mine), other, len(theirs)))
        p_values.append(more_often(other, len(theirs), count, len(mine)))
    low, high = np.quantile(data, TAILS)
    return Tails(float(((samples < low) | (samples > high)).mean()), min(1.0, len(p_values) * min(p_values)))


def _compare_values(data: Array, samples: Array) -> Comparison:
    values, inverse, counts = np.unique(np.concatenate([data, samples]), return_inverse=True, return_counts=True)
    cells = _cells(counts)[inverse]
    size = int(cells.max()) + 1
    table = np.stack([np.bincount(part, minlength=size) for part in (cells[: len(data)], cells[len(data) :])])
    distance = 0.5 * np.abs(table[0] / len(data) - table[1] / len(samples)).sum()
    if size == 1 or len(values) == 1:
        return Comparison("total variation", 0.0, 1.0)
    p_value = float(stats.chi2_contingency(table, correction=False).pvalue)
    return Comparison("total variation", float(distance), p_value)


def _cells(counts: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """The cell of each distinct value, in ascending order: neighbours join until a cell holds enough numbers."""
    cells = np.empty(len(counts), np.intp)
    cell, held = 0, 0
    for index, count in enumerate(counts):
        if held >= CELL_VALUES:
            cell, held = cell + 1, 0
        cells[index] = cell
        held += int(count)
    if held < CELL_VALUES and cell > 0:
        cells[cells == cell] = cell - 1
    return cells


def outside_of(rows: Array, low: Array, high: Array) -> Mask:
    """The numbers of the rows [n, D] that are below `low` [D] or above `high` [D]."""
    return (rows < low) | (rows > high)


def outside_p_values(held_out: Mask, samples: Mask) -> Array:
    """For each column of [n, D]: the p-value of the test that samples are outside more often than held-out rows.

    Given how many of both are outside, the number of samples among them is hypergeometric if the law is the same
    (Fisher's exact test, one-sided).
    """
    return np.array(
        [
            more_often(int(mine.sum()), len(mine), int(theirs.sum()), len(theirs))
            for mine, theirs in zip(samples.T, held_out.T, strict=True)
        ]
    )


def more_often(count: int, of: int, other_count: int, other_of: int) -> float:
    """The p-value of Fisher's exact test that an event with `count` in `of` is more frequent than in the other rows.

    >>> round(more_often(5, 10, 0, 10), 4)
    0.0163
    """
    return float(stats.hypergeom.sf(count - 1, of + other_of, count + other_count, of))


def quantiles(values: Array, span: float) -> tuple[float, ...]:
    """Quantiles of numbers [n] at `QUANTILE_LEVELS`, rounded to a ten-thousandth of the span or less."""
    return tuple(rounded(float(value), span) for value in np.quantile(values, QUANTILE_LEVELS))


def is_whole(values: Array) -> bool:
    """True if every number [n] is whole."""
    return bool((values == np.rint(values)).all())
