"""Finds what columns have to do with each other: repeated columns, linear combinations, shares that add up to 1."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Rows = npt.NDArray[np.float64]

# Smallest singular value of the standardised columns. A linear function of a column, both written with 6 digits or as
# float32, leaves up to 3e-5 (means up to 10 spreads from 0); correlation r = 0.9999 leaves sqrt(1 - r) = 1e-2. The
# threshold stands between them and is reached at r = 1 - 1e-8.
COLLINEAR_SPREAD: Final = 1e-4
# Rows that decide about linear combinations; all rows are then compared with the combination.
MOST_ROWS: Final = 100_000
BLOCK_ROWS: Final = 65_536
# Rows further from the median decide nothing about the others.
EXTREME: Final = 50.0


@dataclass(frozen=True, slots=True)
class Combination:
    """A column that others determine.

    Attributes:
        column: its position.
        others: positions of the columns that determine it.
        deviation: its largest deviation from the combination, in standard deviations.
        is_one_hot: all of these columns hold 0 and 1, and each row has one 1.
    """

    column: int
    others: tuple[int, ...]
    deviation: float
    is_one_hot: bool


def repeated(columns: Sequence[Vector]) -> list[tuple[int, int]]:
    """(column, earlier column) for each column that equals an earlier one."""
    first: dict[int, list[int]] = {}
    found: list[tuple[int, int]] = []
    for position, values in enumerate(columns):
        digest = hash(values.tobytes())
        for earlier in first.get(digest, []):
            if np.array_equal(values, columns[earlier]):
                found.append((position, earlier))
                break
        else:
            first.setdefault(digest, []).append(position)
    return found


def repeated_rows(columns: Sequence[Vector]) -> float:
    """The share of rows that equal an earlier row.

    >>> repeated_rows([np.array([1.0, 2.0, 1.0, 1.0])])
    0.5
    """
    count = len(columns[0])
    words = np.zeros(count, np.uint64)
    for position, values in enumerate(columns):
        # Mixing of splitmix64 (Steele, Lea and Flood 2014): equal rows get equal words, others almost surely not.
        mixed = (values + 0.0).view(np.uint64) + np.uint64((0x9E3779B97F4A7C15 * (position + 1)) % 2**64)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        words = (words ^ (mixed ^ (mixed >> np.uint64(31)))) * np.uint64(0x9E3779B97F4A7C15)
    return float(1 - len(np.unique(words)) / count) if count else 0.0


def combinations(columns: Sequence[Vector]) -> list[Combination]:
    """Each column that others determine, without the rows that are extreme in some column.

    A combination is reported only if every row that is not extreme follows it.

    Args:
        columns: columns that are not constant; no two of them are equal.
    """
    rows = _usual_rows(columns)
    if rows is None:
        return []
    centre, spread = rows.mean(axis=0), rows.std(axis=0)
    keep = [position for position in range(len(columns)) if spread[position] > 0]
    standard = (rows[:, keep] - centre[keep]) / spread[keep]
    # R has the same singular values as the columns, and only D rows.
    r = np.linalg.qr(standard / np.sqrt(len(standard))).R
    found: list[Combination] = []
    rest = list(range(len(keep)))
    while (members := _collinear_set(r, rest)) is not None:
        column, *others = members
        weights = np.linalg.lstsq(standard[:, others], standard[:, column], rcond=None)[0]
        deviation = float(np.abs(standard[:, column] - standard[:, others] @ weights).max())
        rest.remove(column)
        if deviation <= 10 * COLLINEAR_SPREAD:
            used = [other for other, weight in zip(others, weights, strict=True) if abs(weight) > COLLINEAR_SPREAD]
            positions = tuple(sorted(keep[other] for other in used))
            is_one_hot = _is_one_hot([columns[position] for position in (keep[column], *positions)])
            found.append(Combination(keep[column], positions, deviation, is_one_hot))
    return found


def _usual_rows(columns: Sequence[Vector]) -> Rows | None:
    """At most MOST_ROWS rows [rows, D] that are extreme in no column, scaled so that no sum overflows."""
    count = len(columns[0])
    step = max(1, -(-count // MOST_ROWS))
    rows = np.stack([values[::step] for values in columns], axis=1)
    scale = np.abs(rows).max(axis=0)
    rows /= np.where(scale > 0, scale, 1)
    quarter, median, three_quarters = np.quantile(rows, [0.25, 0.5, 0.75], axis=0)
    spread = three_quarters - quarter
    # Columns whose quarters are equal have no extreme rows by this rule.
    usual = ((np.abs(rows - median) <= EXTREME * spread) | (spread == 0)).all(axis=1)
    rows = rows[usual]
    return rows if len(rows) > len(columns) + 1 else None


def _collinear_set(r: Rows, rest: list[int]) -> list[int] | None:
    """A smallest set of collinear columns, the last one first; None if the columns are independent."""

    def collinear(members: list[int]) -> bool:
        return bool(np.linalg.svdvals(r[:, members]).min(initial=1) <= COLLINEAR_SPREAD)

    found: list[int] = []
    rest = list(rest)
    # The shortest collinear prefix ends in a column of a smallest collinear set. Keep it, then search before it.
    while collinear(found + rest) and not collinear(found):
        size = bisect_left(range(len(rest)), x=True, key=lambda k: collinear(found + rest[:k]))
        found.append(rest[size - 1])
        rest = rest[: size - 1]
    return found if len(found) > 1 else None


def _is_one_hot(columns: Sequence[Vector]) -> bool:
    total = np.zeros(len(columns[0]))
    for values in columns:
        if not np.isin(values, (0.0, 1.0)).all():
            return False
        total += values
    return bool((total == 1).all())
