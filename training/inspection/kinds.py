"""Proposes the kind of a column: whole numbers, bounds, values that many rows hold, heavy tails."""

from typing import Final

import numpy as np

from .choices import Bounds
from .column_statistics import ColumnStatistics
from .report import Atom, ColumnKind

# Larger whole numbers are not exact in float32.
LARGEST_INTEGER: Final = 2.0**24
# A value that more rows hold is an atom.
ATOM_SHARE: Final = 0.01
ATOM_CONTRAST: Final = 4
ROUNDED_CONTRAST: Final = 10
# Whole numbers are often written more than the decimals between them, each by a few per cent of the rows.
ROUNDED_ATOM_SHARE: Final = 0.05
# A column is rounded if it has fewer different values than this share of its rows.
ROUNDED_SHARE: Final = 0.5
CHANCE_SPREADS: Final = 6
CHANCE_ROWS: Final = 3
NEIGHBOURS: Final = 4
MOST_ATOMS: Final = 16
# A column has few different values if so many rows share each of them in the mean.
ROWS_PER_VALUE: Final = 10
HEAVY: Final = 50.0
# A column piles up at a bound if this share of its values lies in the twentieth of its spread that is next to it.
EDGE: Final = 0.05
EDGE_SHARE: Final = 0.01
EDGE_ROWS: Final = 3


def propose(found: ColumnStatistics, bounds: Bounds | None, *, integer: bool) -> ColumnKind:
    """The kind of a column with these statistics.

    Args:
        found: its statistics.
        bounds: the bounds that the person gave.
        integer: the person says that it holds whole numbers.
    """
    if integer or is_integer(found):
        low, high = _integer_bounds(found)
        return ColumnKind(integer=True, low=_given(bounds, "low", low), high=_given(bounds, "high", high))
    held = atoms(found)
    rest = _without(found, held)
    low, high = _bounds(rest, found, held) if rest is not None else (None, None)
    low, high = _given(bounds, "low", low), _given(bounds, "high", high)
    heavy = low is None and high is None and is_heavy(found)
    return ColumnKind(low=low, high=high, atoms=held, heavy=heavy)


def is_integer(found: ColumnStatistics) -> bool:
    """True if all values are whole numbers that float32 holds."""
    return found.is_whole and max(abs(found.minimum), abs(found.maximum)) < LARGEST_INTEGER


def is_heavy(found: ColumnStatistics) -> bool:
    """True if a value lies further than 50 interquartile ranges from the median."""
    spread = found.iqr
    if spread == 0:
        rest = _without(found, atoms(found))
        spread = 0.0 if rest is None else rest[1]
    furthest = max(found.maximum - found.median, found.median - found.minimum)
    return spread > 0 and furthest / spread > HEAVY


def atoms(found: ColumnStatistics) -> tuple[Atom, ...]:
    """The values that more than 1 % of the rows hold, and many more rows than the values beside them.

    A column of rounded numbers holds every value many times, some by chance more often than others. So a value must
    stand far above the counts beside it: c > 4 m and c > m + 6 sqrt(m) + 3, where m is their mean, which counts of
    one rate exceed almost never. Where most rows share their value with others, c is also above 10 times the largest
    of the counts beside it and above 5 % of the rows.

    In a column of few different values, such as 0, 0.5 and 1, each of them is an atom: it has no density.
    """
    if found.distinct <= MOST_ATOMS:
        return _few_values(found)
    held: list[Atom] = []
    for at in np.flatnonzero(found.counts > ATOM_SHARE * found.count).tolist():
        count = int(found.counts[at])
        begin = max(0, at - NEIGHBOURS)
        beside = np.delete(found.counts[begin : at + NEIGHBOURS + 1], at - begin)
        is_rounded = found.distinct - 1 < ROUNDED_SHARE * (found.count - count)
        # Two values side by side may both be atoms; in a rounded column they are two steps of one hill.
        beside = beside if is_rounded else np.sort(beside)[:-1]
        mean = float(beside.mean())
        chance = mean + CHANCE_SPREADS * mean**0.5 + CHANCE_ROWS
        contrast = ROUNDED_CONTRAST * int(beside.max()) if is_rounded else ATOM_CONTRAST * mean
        share = ROUNDED_ATOM_SHARE if is_rounded else ATOM_SHARE
        if count > max(chance, contrast, share * found.count):
            held.append(Atom(float(found.values[at]), count / found.count))
    most = sorted(held, key=lambda atom: -atom.share)[:MOST_ATOMS]
    return tuple(sorted(most, key=lambda atom: atom.value))


def _few_values(found: ColumnStatistics) -> tuple[Atom, ...]:
    if found.count < ROWS_PER_VALUE * found.distinct:
        return ()
    pairs = zip(found.values.tolist(), found.counts.tolist(), strict=True)
    return tuple(Atom(value, count / found.count) for value, count in pairs)


def _without(found: ColumnStatistics, held: tuple[Atom, ...]) -> tuple[np.ndarray, float] | None:
    """The values that are no atoms, one for each row, and their interquartile range; None if there are few."""
    kept = ~np.isin(found.values, [atom.value for atom in held])
    if np.count_nonzero(kept) <= 2 * NEIGHBOURS:
        return None
    values = np.repeat(found.values[kept], found.counts[kept])
    quarter, three_quarters = values[len(values) // 4], values[3 * len(values) // 4]
    return values, float(three_quarters - quarter)


def _bounds(
    rest: tuple[np.ndarray, float], found: ColumnStatistics, held: tuple[Atom, ...]
) -> tuple[float | None, float | None]:
    values, _ = rest
    least, greatest = float(values[0]), float(values[-1])
    # Values that are cut off at a bound pile up on it. Where others pile up between the ends too, values are rounded.
    is_cut = all(atom.value in {found.minimum, found.maximum} for atom in held)
    low = found.minimum if held and is_cut and held[0].value == found.minimum else None
    high = found.maximum if held and is_cut and held[-1].value == found.maximum else None
    if least >= 0 and greatest <= 1 and _edge(values, 0.0, EDGE) and _edge(1 - values[::-1], 0.0, EDGE):
        return (0.0 if low is None else low), (1.0 if high is None else high)
    middle = float(values[len(values) // 2])
    if low is None and least >= 0 and middle > 0 and _edge(values, 0.0, EDGE * middle):
        low = 0.0
    return low, high


def _edge(values: np.ndarray, bound: float, width: float) -> bool:
    inside = int(np.searchsorted(values, bound + width, side="right"))
    return inside >= max(EDGE_ROWS, EDGE_SHARE * len(values))


def _integer_bounds(found: ColumnStatistics) -> tuple[float | None, float | None]:
    needed = max(EDGE_ROWS, ATOM_SHARE * found.count) if found.distinct > 2 else 1  # noqa: PLR2004  (a flag has two values)
    low = found.minimum if found.counts[0] >= needed else None
    high = found.maximum if found.counts[-1] >= needed else None
    return low, high


def _given(bounds: Bounds | None, side: str, proposed: float | None) -> float | None:
    if bounds is None:
        return proposed
    given: float | None = getattr(bounds, side)
    return given
