"""The kind of a column: which values it has, and the numbers that map them to the input y of the graphs.

A kind is a chain of steps from a value x of the user to y; `diffeo.runtime.column_map` computes it:

1. Spread: an atom, or a whole number, owns an interval of the axis s. Other values keep their distances.
2. Line: an axis with bounds, or with heavy tails, becomes a whole line with tails like those of a normal law.
3. Affine: t is shifted and scaled into the range of the graph's type.

Reference for intervals in place of points: Theis, van den Oord, Bethge (2016), A note on the evaluation of generative
models, section 3.1, arXiv:1511.01844.
"""

import itertools
import struct
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, model_validator

from .frozen import Frozen

LARGEST: Final = 1e300
SMALLEST: Final = 1e-300
MOST_ATOMS: Final = 256
# A whole number k up to here, and the ends k - 1/2 and k + 1/2 of its cell, are exact in float64.
LARGEST_INTEGER: Final = 2**50
HALF: Final = 0.5


def _check_number(value: float) -> float:
    # Not a bound of pydantic, whose sentence writes 1e300 with all of its digits.
    if not abs(value) <= LARGEST:
        raise ValueError(f"the number is {value:g}; expected at most {LARGEST:g} in size")
    return value


def _check_positive(value: float) -> float:
    if not SMALLEST <= value <= LARGEST:
        raise ValueError(f"the number is {value:g}; expected from {SMALLEST:g} to {LARGEST:g}")
    return value


Number = Annotated[float, AfterValidator(_check_number)]
Positive = Annotated[float, AfterValidator(_check_positive)]


class Atom(Frozen):
    """A value that many rows have exactly, and the width of its interval in the units of the column."""

    value: Number
    width: Positive


class Tails(Frozen):
    """Heavy tails: t = asinh((s - centre) / scale). It is linear near the centre and logarithmic far from it."""

    centre: Number
    scale: Positive


class Affine(Frozen):
    """y = (t - shift) / factor, for a column whose numbers float32 cannot hold, such as 1e44 or 1.7e9 +- 10."""

    shift: Number
    factor: Positive


class ColumnKind(Frozen):
    """The kind of one column. A column without any of these is plain, and no manifest names it among `kinds`.

    Attributes:
        integer: the values are whole numbers. k owns the cell from k - 1/2 to k + 1/2.
        atoms: values that own an interval beside continuous ones, ascending.
        low: no value is below it, and only an atom or a whole number is equal to it.
        high: no value is above it, and only an atom or a whole number is equal to it.
        tails: the law of heavy tails, in place of bounds.
        affine: the last step. With it, x and atoms are compared in float64, and without it in float32.

    >>> rain = ColumnKind(atoms=(Atom(value=0.0, width=0.4),), low=0.0)
    >>> rain.model_dump_json()
    '{"atoms":[{"value":0.0,"width":0.4}],"low":0.0}'
    >>> rain.snaps
    True
    """

    integer: Annotated[bool, Field(exclude_if=lambda value: not value)] = False
    atoms: Annotated[tuple[Atom, ...], Field(max_length=MOST_ATOMS, exclude_if=lambda value: not value)] = ()
    low: Annotated[Number | None, Field(exclude_if=lambda value: value is None)] = None
    high: Annotated[Number | None, Field(exclude_if=lambda value: value is None)] = None
    tails: Annotated[Tails | None, Field(exclude_if=lambda value: value is None)] = None
    affine: Annotated[Affine | None, Field(exclude_if=lambda value: value is None)] = None

    @property
    def snaps(self) -> bool:
        """True if a row of a sample is rounded to one of these values: to a whole number, or to an atom."""
        return self.integer or bool(self.atoms)

    @property
    def intervals(self) -> tuple[tuple[float, float], ...]:
        """The interval of each atom on the axis s: L_i = a_i + sum of w_j over atoms j < i, and L_i + w_i."""
        widths = [atom.width for atom in self.atoms]
        before = itertools.accumulate(widths[:-1], initial=0.0)
        lefts = [atom.value + width for atom, width in zip(self.atoms, before, strict=False)]
        return tuple((left, left + width) for left, width in zip(lefts, widths, strict=True))

    def compared(self, value: float) -> float:
        """The number by which x and an atom are compared: rounded to float32, unless the column has an affine step.

        A table in float32 holds the atom 0.1 as another number than one in float64, and both mean the atom.
        """
        return value if self.affine is not None else to_float32(value)

    @model_validator(mode="after")
    def _steps_go_together(self) -> Self:
        if self == ColumnKind.model_construct():
            raise ValueError("the kind is empty; leave a plain column out of kinds")
        if self.integer and self.atoms:
            raise ValueError("a column is integer or has atoms, not both: each whole number owns a cell already")
        if self.tails is not None and (self.low is not None or self.high is not None):
            raise ValueError("a column has tails or bounds, not both")
        return self

    @model_validator(mode="after")
    def _bounds_are_in_order(self) -> Self:
        bounds = [bound for bound in (self.low, self.high) if bound is not None]
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"low is {self.low:g} and high is {self.high:g}; low must be below high")
        for bound in bounds if self.integer else []:
            if not bound.is_integer() or abs(bound) > LARGEST_INTEGER:
                raise ValueError(f"a bound of an integer column is {bound:g}; expected a whole number up to 2^50")
        return self

    @model_validator(mode="after")
    def _atoms_are_in_order(self) -> Self:
        for atom in self.atoms:
            if abs(atom.value) > 0 and not 0 < abs(self.compared(atom.value)) <= LARGEST:
                raise ValueError(f"float32 cannot hold the atom {atom.value:g}; such a column needs affine")
            if (self.low is not None and atom.value < self.low) or (self.high is not None and atom.value > self.high):
                raise ValueError(f"the atom {atom.value:g} is outside of the bounds")
        for one, next_one in itertools.pairwise(self.atoms):
            if not self.compared(one.value) < self.compared(next_one.value):
                raise ValueError(f"the atoms {one.value:g} and {next_one.value:g} are not distinct and ascending")
        # The ends and the middle of every interval must be distinct numbers, or values change places.
        ends = [end for left, right in self.intervals for end in (left, left + (right - left) / 2, right)]
        for end, next_end in itertools.pairwise(ends):
            if not end < next_end:
                raise ValueError(
                    f"float64 cannot tell the intervals of the atoms apart near {end:g}; change the widths"
                )
        return self


def to_float32(value: float) -> float:
    """The value rounded to float32; infinite beyond its range.

    >>> to_float32(0.1)
    0.10000000149011612
    >>> to_float32(-1e44)
    -inf
    """
    try:
        (rounded,) = struct.unpack("<f", struct.pack("<f", value))
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
    return float(rounded)
