"""Integrates a density over the line or the plane on cells, which split where the density varies.

A flow may send a little mass far out along thin bridges. A uniform grid cannot be both fine enough and wide enough for
them. So a cell splits into halves along each axis while its own quadrature and that of its parts disagree, and wherever
known rows lie.

Reference: Berntsen, Espelid and Genz (1991), An adaptive algorithm for the approximate calculation of multiple
integrals, doi:10.1145/210232.210233.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

START: Final = 32  # cells along each axis at first
# By the number of columns: how often a cell is halved at most, and how often in any case if it holds a known row. In
# the plane there are at most 16,384 cells along an axis. On the line cells cost little, and heavy tails need many.
SPLITS: Final = {1: 30, 2: 9}
GUIDED_SPLITS: Final = {1: 10, 2: 3}
# On the line a cell is halved further while it holds more than this share of the known rows. A density that is thin in
# its box would otherwise fall between the points of all cells.
CROWDED: Final = 1 / 64
# A cell whose two quadratures differ by less is done. The finer one is kept; its error is far below the difference:
# moons and circles come within 2e-5 of 1 in boxes 6 to 600 wide.
CELL_TOLERANCE: Final = 1e-6
NODES, WEIGHTS = np.polynomial.legendre.leggauss(3)


def integrate(density: Callable[[Array], Array], low: Array, high: Array, known: Array) -> tuple[float, int]:
    """The integral of `density` over the box [low, high], and the number of points at which it was computed.

    >>> low, high = np.array([0.0, 0.0]), np.array([1.0, 2.0])
    >>> mass, points = integrate(lambda rows: rows[:, 0], low, high, known=np.zeros((1, 2)))
    >>> round(mass, 9)
    1.0

    Args:
        density: rows [n, D] -> values [n], not negative; D is 1 or 2.
        low: corner of the box, [D].
        high: opposite corner, [D].
        known: rows [n, D] where there is mass.
    """
    dimension = len(low)
    parts, nodes = 2**dimension, len(NODES) ** dimension
    size = (high - low) / START
    corners = low + size * _grid(np.arange(START), dimension)
    coarse = _rule(density, corners, size)
    total, points = 0.0, nodes * len(corners)
    for split in range(1, SPLITS[dimension] + 1):
        pieces, size = _split(corners, size), size / 2
        fine = _rule(density, pieces, size)
        points += nodes * len(pieces)
        better = fine.reshape(-1, parts).sum(axis=1)
        splits = np.abs(better - coarse) > CELL_TOLERANCE
        if split <= GUIDED_SPLITS[dimension]:
            splits |= _holds(corners, 2 * size, known)
        elif dimension == 1:
            splits |= _is_crowded(corners[:, 0], 2 * size[0], known[:, 0])
        total += float(better[~splits].sum())
        corners = pieces.reshape(-1, parts, dimension)[splits].reshape(-1, dimension)
        coarse = fine.reshape(-1, parts)[splits].ravel()
        if not len(corners):
            break
    return total + float(coarse.sum()), points


def _grid(values: Array | npt.NDArray[np.int64], dimension: int) -> Array:
    """Every choice of one of the values for each axis, [len(values)^D, D]."""
    return (
        np.stack(np.meshgrid(*dimension * [values], indexing="ij"), axis=-1).reshape(-1, dimension).astype(np.float64)
    )


def _rule(density: Callable[[Array], Array], corners: Array, size: Array) -> Array:
    # Three Gauss-Legendre nodes along each axis, exact for polynomials of degree 5.
    dimension = len(size)
    weights = _grid(WEIGHTS, dimension).prod(axis=1)
    rows = corners[:, None, :] + size * (_grid(NODES, dimension) + 1) / 2  # [cells, nodes, D]
    values = density(rows.reshape(-1, dimension)).reshape(len(corners), -1)
    result: Array = values @ weights * (size / 2).prod()
    return result


def _split(corners: Array, size: Array) -> Array:
    steps = _grid(np.array([0.0, 0.5]), len(size)) * size
    return (corners[:, None, :] + steps).reshape(-1, len(size))


def _holds(corners: Array, size: Array, known: Array) -> npt.NDArray[np.bool_]:
    # Cells and rows become integer positions on one lattice, so that membership is a set operation.
    origin = corners.min(axis=0)
    cells = np.rint((corners - origin) / size).astype(np.int64)
    rows = np.floor((known - origin) / size).astype(np.int64)
    stride = int(max(cells.max(), rows.max())) + 2
    weights = stride ** np.arange(len(size))[::-1]
    result: npt.NDArray[np.bool_] = np.isin(cells @ weights, rows @ weights)
    return result


def _is_crowded(corners: Array, size: float, known: Array) -> npt.NDArray[np.bool_]:
    ordered = np.sort(known)
    held = np.searchsorted(ordered, corners + size) - np.searchsorted(ordered, corners)
    result: npt.NDArray[np.bool_] = held > CROWDED * len(known)
    return result
