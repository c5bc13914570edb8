"""Maps the axis s of a column, which has bounds or heavy tails, to a whole line t and back.

Each law has forward (s -> t), inverse (t -> s) and log_slope (log dt/ds as a function of t) side by side. A bound is
approached in distances from it, which keep their digits where s itself has none left. The functions may overflow to
infinity, and a caller ignores the warnings: such a row has no answer.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from diffeo.bundle.schema.column_kind import HALF, ColumnKind

from .atoms import Array, Index
from .spread import Positions


class Law(Protocol):
    """One law for some columns; arrays are [rows, those columns]."""

    @property
    def columns(self) -> Index:
        """The columns of this law."""
        ...

    def forward(self, at: Positions) -> Array:
        """t of rows; `at` has all columns."""
        ...

    def inverse(self, t: Array) -> Array:
        """s of t."""
        ...

    def log_slope(self, t: Array) -> Array:
        """log dt/ds at t."""
        ...


@dataclass(frozen=True, slots=True)
class AboveLow:
    """t = log(s - low), s = low + exp(t), log dt/ds = -t.

    Attributes:
        bound: the bound in the units of x, [columns].
        edge: the bound on the axis s, [columns].
    """

    columns: Index
    bound: Array
    edge: Array

    def forward(self, at: Positions) -> Array:
        return np.asarray(np.log(_distance_from_low(at, self.columns, self.bound)))

    def inverse(self, t: Array) -> Array:
        return np.asarray(self.edge + np.exp(t))

    def log_slope(self, t: Array) -> Array:
        return -t


@dataclass(frozen=True, slots=True)
class BelowHigh:
    """t = -log(high - s), s = high - exp(-t), log dt/ds = t.

    Attributes:
        bound: the bound in the units of x, [columns].
        edge: the bound on the axis s, [columns].
    """

    columns: Index
    bound: Array
    edge: Array

    def forward(self, at: Positions) -> Array:
        return np.asarray(-np.log(_distance_from_high(at, self.columns, self.bound)))

    def inverse(self, t: Array) -> Array:
        return np.asarray(self.edge - np.exp(-t))

    def log_slope(self, t: Array) -> Array:
        return t


@dataclass(frozen=True, slots=True)
class Between:
    """t = log((s - low) / (high - s)), s - low = (high - low) / (1 + exp(-t)).

    log dt/ds = log((high - low) / ((s - low) (high - s))) = |t| + 2 log(1 + exp(-|t|)) - log(high - low).

    Attributes:
        low: the lower bound in the units of x, [columns].
        high: the upper bound in the units of x, [columns].
        low_edge: the lower bound on the axis s, [columns].
        high_edge: the upper bound on the axis s, [columns].
    """

    columns: Index
    low: Array
    high: Array
    low_edge: Array
    high_edge: Array

    def forward(self, at: Positions) -> Array:
        from_low = _distance_from_low(at, self.columns, self.low)
        return np.asarray(np.log(from_low) - np.log(_distance_from_high(at, self.columns, self.high)))

    def inverse(self, t: Array) -> Array:
        # The distance from the nearer bound.
        distance = (self.high_edge - self.low_edge) / (1 + np.exp(np.abs(t)))
        return np.asarray(np.where(t <= 0, self.low_edge + distance, self.high_edge - distance))

    def log_slope(self, t: Array) -> Array:
        size = np.abs(t)
        return np.asarray(size + 2 * np.log1p(np.exp(-size)) - np.log(self.high_edge - self.low_edge))


@dataclass(frozen=True, slots=True)
class HeavyTails:
    """t = asinh((s - centre) / scale), s = centre + scale sinh(t), log dt/ds = -log cosh(t) - log scale.

    Attributes:
        centre: [columns].
        scale: [columns].
        half: half of a cell of whole numbers, [columns].
    """

    columns: Index
    centre: Array
    scale: Array
    half: Array

    def forward(self, at: Positions) -> Array:
        s = _s(at, self.columns, self.half)
        return np.asarray(np.arcsinh((s - self.centre) / self.scale))

    def inverse(self, t: Array) -> Array:
        return np.asarray(self.centre + self.scale * np.sinh(t))

    def log_slope(self, t: Array) -> Array:
        size = np.abs(t)
        return np.asarray(math.log(2) - size - np.log1p(np.exp(-2 * size)) - np.log(self.scale))


@dataclass(frozen=True, slots=True)
class Unbounded:
    """t = s in columns of whole numbers or atoms without bounds and tails."""

    columns: Index
    half: Array

    def forward(self, at: Positions) -> Array:
        return _s(at, self.columns, self.half)

    def inverse(self, t: Array) -> Array:
        return t

    def log_slope(self, t: Array) -> Array:
        return np.zeros(t.shape)


def laws(kinds: Sequence[ColumnKind | None]) -> tuple[Law, ...]:
    """The laws of columns of these kinds; a column that is in none of them has t = x."""
    half, low, high, centre, scale, width = np.array([_numbers(kind) for kind in kinds]).T
    has_low, has_high, has_tails = ~np.isnan(low), ~np.isnan(high), ~np.isnan(centre)
    snaps = np.array([kind is not None and kind.snaps for kind in kinds])
    low_edge, high_edge = low - half, high + half + width
    above, below, between, tails, others = (
        np.flatnonzero(chosen)
        for chosen in (
            has_low & ~has_high,
            has_high & ~has_low,
            has_low & has_high,
            has_tails,
            snaps & ~has_low & ~has_high & ~has_tails,
        )
    )
    found: tuple[Law, ...] = (
        AboveLow(above, low[above], low_edge[above]),
        BelowHigh(below, high[below], high_edge[below]),
        Between(between, low[between], high[between], low_edge[between], high_edge[between]),
        HeavyTails(tails, centre[tails], scale[tails], half[tails]),
        Unbounded(others, half[others]),
    )
    return tuple(law for law in found if law.columns.size)


def _numbers(kind: ColumnKind | None) -> tuple[float, ...]:
    """Half of a cell, low, high, centre, scale, and the widths of all atoms; NaN in place of a missing one."""
    if kind is None:
        return 0.0, math.nan, math.nan, math.nan, math.nan, 0.0
    low, high = (math.nan if bound is None else bound for bound in (kind.low, kind.high))
    centre, scale = (math.nan, math.nan) if kind.tails is None else (kind.tails.centre, kind.tails.scale)
    return HALF if kind.integer else 0.0, low, high, centre, scale, math.fsum(atom.width for atom in kind.atoms)


def _s(at: Positions, columns: Index, half: Array) -> Array:
    return np.asarray(at.value.take(columns, axis=1) + (at.below.take(columns, axis=1) - half))


def _distance_from_low(at: Positions, columns: Index, bound: Array) -> Array:
    return np.asarray((at.value.take(columns, axis=1) - bound) + at.below.take(columns, axis=1))


def _distance_from_high(at: Positions, columns: Index, bound: Array) -> Array:
    return np.asarray((bound - at.value.take(columns, axis=1)) + at.above.take(columns, axis=1))
