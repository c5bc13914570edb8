"""Gives each atom of a column an interval of the axis s, and snaps s inside of it back to the atom.

For atoms a_1 < ... < a_m with widths w_i, a continuous x goes to s = x + sum of w_i over the atoms below x. The atom
a_i owns the interval from L_i = a_i + sum of w_j over j < i to L_i + w_i. So s is free of gaps and of overlaps, and
continuous values keep their distances between two atoms.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from diffeo.bundle.schema.column_kind import ColumnKind

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Index = npt.NDArray[np.intp]


class Step(NamedTuple):
    """The atoms of the same number, one of each of the first `size` columns; each array is [size].

    Attributes:
        compared: the numbers with which x is compared.
        left: L_i.
        right: L_i + w_i.
    """

    size: int
    value: Array
    compared: Array
    width: Array
    log_width: Array
    left: Array
    right: Array


class Places(NamedTuple):
    """Where x is among the atoms; each array is [rows, columns with atoms].

    Attributes:
        value: the atom, or x itself.
        below: widths of the intervals below s, with the part of its own.
        above: widths of the intervals above s, with the part of its own.
        log_width: log w_i of an atom, 0 elsewhere.
        is_atom: where x is an atom.
    """

    value: Array
    below: Array
    above: Array
    log_width: Array
    is_atom: Mask


@dataclass(frozen=True, slots=True)
class Atoms:
    """The atoms of all columns that have any.

    Attributes:
        columns: those columns, the one with most atoms first.
        exact: which of them compare x in float64; the others compare it in float32.
        steps: the first atom of every column, then the second, and so on.
    """

    columns: Index
    exact: Mask
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, kinds: Sequence[ColumnKind | None]) -> Self | None:
        """The atoms of columns of these kinds; None if there are none."""
        found = [(index, kind) for index, kind in enumerate(kinds) if kind is not None and kind.atoms]
        if not found:
            return None
        found.sort(key=lambda pair: -len(pair[1].atoms))
        ordered = [kind for _, kind in found]
        intervals = [kind.intervals for kind in ordered]
        steps = tuple(_step(ordered, intervals, number) for number in range(len(intervals[0])))
        exact = np.array([kind.affine is not None for kind in ordered])
        return cls(np.array([index for index, _ in found], np.intp), exact, steps)

    def place(self, x: Array, uniform: Array) -> Places:
        """Find x among the atoms.

        Args:
            x: the columns with atoms, [rows, columns].
            uniform: the place of an atom in its interval, from 0 to 1, of the same shape.
        """
        seen, value = self._compared(x), x.copy()
        below, above, own, log_width = (np.zeros(x.shape) for _ in range(4))
        for step in self.steps:
            part = seen[:, : step.size]
            is_here = part == step.compared
            below[:, : step.size] += (part > step.compared) * step.width
            above[:, : step.size] += (part < step.compared) * step.width
            own[:, : step.size] += is_here * step.width
            log_width[:, : step.size] += is_here * step.log_width
            np.copyto(value[:, : step.size], step.value, where=is_here)
        return Places(value, below + uniform * own, above + (1 - uniform) * own, log_width, own > 0)

    def snap(self, s: Array) -> Array:
        """x for s: the atom whose interval holds s, else s less the widths of the intervals below it."""
        below, x, is_inside = np.zeros(s.shape), s.copy(), np.zeros(s.shape, np.bool_)
        for step in self.steps:
            part = s[:, : step.size]
            is_above = part > step.right
            is_here = ~is_above & (part >= step.left)
            below[:, : step.size] += is_above * step.width
            is_inside[:, : step.size] |= is_here
            np.copyto(x[:, : step.size], step.value, where=is_here)
        return np.where(is_inside, x, x - below)

    def nearest(self, x: Array) -> Array:
        """x with the atom in place of each number that is compared as equal to it."""
        seen, value = self._compared(x), x.copy()
        for step in self.steps:
            np.copyto(value[:, : step.size], step.value, where=seen[:, : step.size] == step.compared)
        return value

    def _compared(self, x: Array) -> Array:
        rounded = x.astype(np.float32).astype(np.float64)
        return np.where(self.exact, x, rounded) if self.exact.any() else rounded


def _step(kinds: Sequence[ColumnKind], intervals: Sequence[tuple[tuple[float, float], ...]], number: int) -> Step:
    some = [kind for kind in kinds if len(kind.atoms) > number]
    atoms = [kind.atoms[number] for kind in some]
    left, right = np.array([ends[number] for ends in intervals[: len(some)]]).T
    width = np.array([atom.width for atom in atoms])
    return Step(
        len(some),
        np.array([atom.value for atom in atoms]),
        np.array([kind.compared(atom.value) for kind, atom in zip(some, atoms, strict=True)]),
        width,
        np.log(width),
        left,
        right,
    )
