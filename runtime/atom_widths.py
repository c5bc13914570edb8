"""Proposes the widths of atoms: the mass of an atom over its width is the density of the continuous values beside it.

Then the density along the axis s neither jumps at the interval of an atom nor leaves a gap, so a flow fits it without
bending the other columns.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# The density beside an atom is that of its nearest continuous values: this share of them, and at least so many.
NEAR_SHARE: Final = 0.1
LEAST_NEAR: Final = 20
# Smallest width, relative to the largest number of the column, so that float64 tells the intervals apart.
SMALLEST: Final = 2.0**-30


def propose_widths(values: npt.ArrayLike, atoms: Sequence[float]) -> list[float]:
    """A width for each atom of one column: w_i = n_i / (k / r), of n_i equal values and the density k / r beside them.

    r is the length of the axis that the k continuous values nearest to the atom cover. A column of atoms alone has no
    density; then the widths follow the masses, and their mean is the mean distance of two atoms.

    Args:
        values: the column, [rows], with its atoms; NaN is ignored.
        atoms: the values of the atoms, ascending, in the units of the column.

    Returns:
        The widths in the units of the column, all above zero.

    >>> rain = np.concatenate([np.zeros(50), np.linspace(0.01, 1.0, 100)])
    >>> [round(width, 2) for width in propose_widths(rain, [0.0])]
    [0.5]
    >>> propose_widths([1.0, 1.0, 1.0, 3.0], [1.0, 3.0])
    [3.0, 1.0]
    """
    column = np.asarray(values, np.float64)
    column = column[~np.isnan(column)]
    counts = np.array([max(1, np.count_nonzero(column == atom)) for atom in atoms])
    continuous = np.sort(column[~np.isin(column, atoms)])
    least = SMALLEST * max(np.abs(column).max(initial=0.0), np.abs(atoms).max(), np.finfo(np.float64).tiny)
    if len(continuous) < LEAST_NEAR:
        widths = counts / counts.mean() * _mean_distance(np.concatenate([continuous, atoms]))
    else:
        widths = np.array([n / _density(continuous, atom) for n, atom in zip(counts, atoms, strict=True)])
    return [float(width) for width in np.maximum(widths, least)]


def _density(continuous: Array, atom: float) -> float:
    """Values for each unit of length beside the atom."""
    near = max(LEAST_NEAR, round(NEAR_SHARE * len(continuous)))
    distances = np.abs(continuous - atom)
    nearest = np.sort(continuous[np.argpartition(distances, near - 1)[:near]])
    # The values and the atom cover the axis from the first to the last.
    length = max(nearest[-1], atom) - min(nearest[0], atom)
    return float(near / length) if length > 0 else np.inf


def _mean_distance(points: Array) -> float:
    distinct = np.unique(points)
    if len(distinct) > 1:
        return float((distinct[-1] - distinct[0]) / (len(distinct) - 1))
    return float(max(1.0, abs(distinct[0])))
