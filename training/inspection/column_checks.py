"""Finds what is unusual in one column: an id, a time, a marker of missing cells, one far cell, a rare flag."""

import re
from dataclasses import dataclass
from typing import Final

import numpy as np

from .column_statistics import ColumnStatistics, Vector

ID_NAME: Final = re.compile(r"(?:.*[_ .-])?(?:id|uuid|guid|key|index|idx|rowid|row|nr|no)|.*[a-z]I[dD]", re.IGNORECASE)
INDEX_NAMES: Final = frozenset({"", "index", "unnamed: 0", "column 1", "__index_level_0__"})
TIME_NAME: Final = re.compile(
    r"(?:.*[_ .-])?(?:time|timestamp|date|datetime|epoch|created|updated|when)(?:[_ .-].*)?", re.IGNORECASE
)
# Seconds from 2001 to 2037, and the same in milliseconds, microseconds and nanoseconds.
UNIX_TIMES: Final = tuple((9.5e8 * unit, 2.15e9 * unit) for unit in (1.0, 1e3, 1e6, 1e9))
# The first and the last day that count as a date written as a number, such as 20240131.
WRITTEN_DATES: Final = (19000101, 21001231)
EXACT_INTEGERS: Final = 2.0**53
# The numbers that files use for a missing value.
MARKERS: Final = frozenset(
    {-9.0, -99.0, -999.0, -9999.0, -99999.0, -999999.0, 99.0, 999.0, 9999.0, 99999.0, 999999.0}
    | {1e20, -1e20, 1e30, -1e30}
    | {-32768.0, 32767.0, -2147483648.0, 2147483647.0, float(np.finfo(np.float32).max), float(np.finfo(np.float32).min)}
    | {-999.25, -9999.99, -99.99, -999.9, -99.9}
)  # fmt: skip
# A value is far from the others if the gap is so many times as wide as the range of the others.
FAR: Final = 1.0
MARKER_DISTINCT: Final = 10
FURTHEST: Final = 1e6
RARE_SHARE: Final = 0.01
# float32 holds numbers between these in full precision.
FLOAT32: Final = (float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max))
FLOAT32_DIGITS: Final = 1e-5


@dataclass(frozen=True, slots=True)
class Identity:
    """A column that names rows and does not measure them.

    Attributes:
        what: what it is, such as "running numbers".
        is_certain: it cannot be anything else, so it is left out without a question.
    """

    what: str
    is_certain: bool


def identity(name: str, values: Vector, found: ColumnStatistics) -> Identity | None:
    """Whether a column names its rows: running numbers, ids and times.

    >>> from .column_statistics import measure
    >>> rows = np.arange(60.0)
    >>> identity("n", rows, measure(rows)).what
    'running numbers'
    """
    if found.count < 3:  # noqa: PLR2004  (two rows are always in order)
        return None
    if _is_unix_time(found) and found.distinct > MARKER_DISTINCT:
        return Identity("times in seconds since 1970 or a part of a second", is_certain=False)
    if _is_written_date(found):
        return Identity("dates written as numbers", is_certain=False)
    if found.distinct < found.count:
        return None
    is_named = name.strip().lower() in INDEX_NAMES
    if found.is_whole and (is_named or (found.minimum in {0.0, 1.0} and _is_dense(found))):
        return Identity("running numbers" if _is_dense(found) else "the numbers of an index", is_certain=True)
    what = _order(name.strip(), np.diff(values), found)
    return Identity(what, is_certain=False) if what else None


def _order(name: str, steps: Vector, found: ColumnStatistics) -> str:
    """The order or the name that shows that a column of different values names its rows; empty if none does."""
    if bool((steps == steps[0]).all()):
        return f"numbers in steps of {steps[0]:.6g}, in the order of the rows"
    if found.is_whole and bool((steps > 0).all()):
        return "whole numbers that grow from row to row"
    if found.is_whole and (ID_NAME.fullmatch(name) or _is_dense(found)):
        return "whole numbers of which no two are equal"
    if TIME_NAME.fullmatch(name) and bool((steps > 0).all()):
        return "numbers that grow from row to row"
    return ""


def _is_dense(found: ColumnStatistics) -> bool:
    return found.maximum - found.minimum == found.distinct - 1


def markers(found: ColumnStatistics) -> tuple[float, ...]:
    """Values that probably mark missing cells: far from all others, and held by several rows or well known.

    >>> from .column_statistics import measure
    >>> markers(measure(np.append(np.linspace(-3, 3, 50), [-999, -999])))
    (-999.0,)
    """
    values, counts = found.values, found.counts
    marked: list[float] = []
    begin, end = 0, len(values)
    while end - begin > MARKER_DISTINCT:
        low, high = _is_far(values, begin, end), _is_far(-values[::-1], len(values) - end, len(values) - begin)
        if low and (counts[begin] > 1 or float(values[begin]) in MARKERS):
            marked.append(float(values[begin]))
            begin += 1
        elif high and (counts[end - 1] > 1 or float(values[end - 1]) in MARKERS):
            marked.append(float(values[end - 1]))
            end -= 1
        else:
            break
    return tuple(marked)


def furthest(found: ColumnStatistics) -> float | None:
    """The value that lies further than 10^6 interquartile ranges from the median; None if there is none."""
    if found.iqr <= 0 or not np.isfinite(found.iqr):
        return None
    for value in (found.minimum, found.maximum):
        if abs(value / found.iqr - found.median / found.iqr) > FURTHEST:
            return value
    return None


def rare_rows(found: ColumnStatistics) -> int | None:
    """How many rows do not hold the most common value, if they are fewer than 1 %; None if they are more."""
    others = found.count - int(found.counts.max())
    return others if 0 < others <= RARE_SHARE * found.count else None


def beyond_float32(found: ColumnStatistics) -> str:
    """Why float32 does not hold the values of a column; empty if it does."""
    largest = max(abs(found.minimum), abs(found.maximum))
    smallest, greatest = FLOAT32
    if largest > greatest:
        furthest_value = found.maximum if abs(found.maximum) == largest else found.minimum
        return f"holds {furthest_value:.6g}, which float32 does not hold"
    if 0 < largest < smallest:
        return f"holds no number above {largest:.6g}, and float32 does not hold such small numbers"
    if found.std > greatest:
        return f"has the standard deviation {found.std:.6g}, which float32 does not hold"
    if found.std > 0 and found.iqr > 0 and found.iqr < FLOAT32_DIGITS * abs(found.median):
        return f"differs from {found.median:.10g} by {found.iqr:.3g} only, which float32 rounds"
    return ""


def _is_far(values: Vector, begin: int, end: int) -> bool:
    # The gap between the least value and the next one, against the range of the values after it.
    rest = values[end - 1] - values[begin + 1]
    # One more far value at the other end must not hide this one.
    narrow = values[begin + 1 + int(0.95 * (end - begin - 2))] - values[begin + 1]
    gap = values[begin + 1] - values[begin]
    return bool(gap > FAR * rest or (gap > 3 * FAR * narrow and narrow > 0))


def _is_unix_time(found: ColumnStatistics) -> bool:
    is_whole = found.is_whole or found.minimum >= EXACT_INTEGERS
    return is_whole and any(low <= found.minimum and found.maximum <= high for low, high in UNIX_TIMES)


def _is_written_date(found: ColumnStatistics) -> bool:
    # 20240131 is the last of January of 2024.
    first, last = WRITTEN_DATES
    if not (found.is_whole and found.distinct > MARKER_DISTINCT and first <= found.minimum and found.maximum <= last):
        return False
    months, days = found.values // 100 % 100, found.values % 100
    return bool(((months >= 1) & (months <= 12) & (days >= 1) & (days <= 31)).all())  # noqa: PLR2004  (a calendar)
