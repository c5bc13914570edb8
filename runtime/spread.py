"""Spreads columns over the axis s: an atom or a whole number owns an interval, and its middle stands for it.

The whole number k owns the cell from k - 1/2 to k + 1/2. `diffeo.runtime.atoms` describes the intervals of atoms.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np

from diffeo.bundle.schema.column_kind import HALF, ColumnKind

from .atoms import Array, Atoms, Index, Mask

# The place of a representative in its interval.
MIDDLE: Final = 0.5
# How far a number may be from a whole one, relative to the larger of 1 and the number, and at most.
WHOLE_TOLERANCE: Final = 1e-6
MOST_WHOLE_TOLERANCE: Final = 0.25


class Positions(NamedTuple):
    """Where rows are on the axis s, in parts that lose no digits beside a bound.

    Attributes:
        value: the atom, the whole number, or x itself, [rows, D].
        below: length of the intervals below s, with the part of its own, [rows, D]; 0 in columns without intervals.
        above: length of the intervals above s, with the part of its own, [rows, D].
        log_width: sum of log w over the atoms of a row, [rows].
        is_inside: where x is within the bounds, [rows, D].
        is_whole: where x is whole, or need not be, [rows, D].
    """

    value: Array
    below: Array
    above: Array
    log_width: Array
    is_inside: Mask
    is_whole: Mask

    @property
    def row_is_inside(self) -> Mask:
        """Rows whose numbers are all within the bounds, [rows]."""
        return np.asarray(self.is_inside.all(axis=1))

    @property
    def row_is_whole(self) -> Mask:
        """Rows whose numbers are all whole where they must be, [rows]."""
        return np.asarray(self.is_whole.all(axis=1))


@dataclass(frozen=True, slots=True)
class Spread:
    """The first step of every column.

    Attributes:
        integers: columns of whole numbers.
        atoms: the columns with atoms; None if there are none.
        low: lower bounds in the units of x, -inf where there is none, [D].
        high: upper bounds, [D].
        first: smallest value that `snap` returns, [D].
        last: largest one, [D].
        half: half of a cell of whole numbers, 0 in other columns, [D].
    """

    integers: Index
    atoms: Atoms | None
    low: Array
    high: Array
    first: Array
    last: Array
    half: Array

    @classmethod
    def of(cls, kinds: Sequence[ColumnKind | None]) -> Self:
        """The first step of columns of these kinds; None stands for a plain column."""
        integer = np.array([kind is not None and kind.integer for kind in kinds])
        low = np.array([-np.inf if kind is None or kind.low is None else kind.low for kind in kinds])
        high = np.array([np.inf if kind is None or kind.high is None else kind.high for kind in kinds])
        owns_low = integer | np.array([kind is not None and _is_atom(kind, kind.low) for kind in kinds])
        owns_high = integer | np.array([kind is not None and _is_atom(kind, kind.high) for kind in kinds])
        first = np.where(owns_low | np.isinf(low), low, np.nextafter(low, np.inf))
        last = np.where(owns_high | np.isinf(high), high, np.nextafter(high, -np.inf))
        half = np.where(integer, HALF, 0.0)
        return cls(np.flatnonzero(integer), Atoms.of(kinds), low, high, first, last, half)

    def place(self, x: Array, uniform: Array) -> Positions:
        """The positions of rows; `uniform` [rows, D] is the place of each value in its interval, from 0 to 1."""
        value, below, above, log_width = x.copy(), np.zeros(x.shape), np.zeros(x.shape), np.zeros(x.shape)
        is_whole, owns_interval = np.ones(x.shape, np.bool_), np.zeros(x.shape, np.bool_)
        if self.integers.size:
            numbers, part = x.take(self.integers, axis=1), uniform.take(self.integers, axis=1)
            whole = np.rint(numbers) + 0.0
            tolerance = np.minimum(WHOLE_TOLERANCE * np.maximum(1, np.abs(numbers)), MOST_WHOLE_TOLERANCE)
            is_whole[:, self.integers] = np.abs(numbers - whole) <= tolerance
            owns_interval[:, self.integers] = True
            value[:, self.integers], below[:, self.integers], above[:, self.integers] = whole, part, 1 - part
        if self.atoms is not None:
            columns = self.atoms.columns
            places = self.atoms.place(x.take(columns, axis=1), uniform.take(columns, axis=1))
            value[:, columns], below[:, columns], above[:, columns] = places.value, places.below, places.above
            log_width[:, columns], owns_interval[:, columns] = places.log_width, places.is_atom
        is_between = (self.low < value) & (value < self.high)
        is_inside = is_between | (owns_interval & ((value == self.low) | (value == self.high)))
        return Positions(value, below, above, log_width.sum(axis=1), is_inside, is_whole)

    def snap(self, s: Array) -> Array:
        """x [rows, D] for s: whole where whole, an atom inside of its interval, and never beyond a bound."""
        x = s.copy()
        if self.integers.size:
            x[:, self.integers] = np.rint(s.take(self.integers, axis=1))
        if self.atoms is not None:
            x[:, self.atoms.columns] = self.atoms.snap(s.take(self.atoms.columns, axis=1))
        # Rounding may lift a number to its bound, where the density is zero. Adding zero makes a zero positive.
        x = np.clip(x, self.first, self.last) + 0.0
        if self.atoms is not None:
            x[:, self.atoms.columns] = self.atoms.nearest(x.take(self.atoms.columns, axis=1))
        return x


def _is_atom(kind: ColumnKind, bound: float | None) -> bool:
    return any(atom.value == bound for atom in kind.atoms)
