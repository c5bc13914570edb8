"""Splines of couplings and of columns, forward and backward, compiled to machine code; one pass over the numbers each.

The formulas are those of `diffeo.training.flows.splines.rational_quadratic`, with xi, s and q as they are named there.
All arithmetic is in float64, whatever the type of the arrays.
"""

import math
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
# In place of a piece: the line below the lowest knot, or beyond the highest.
BELOW: Final = -1
BEYOND: Final = -2


@njit(cache=True, nogil=True, error_model="numpy")
def coupling_forward(  # noqa: PLR0913, PLR0917  (arrays that are read, then arrays that are filled)
    x: Floats, powers: Floats, bound: float, least: float, z: Floats, log_slope: Floats
) -> None:
    """Fill z and log(dz/dx) [n] for numbers x [n] and powers [n, 3 K + 1].

    Args:
        x: any numbers.
        powers: exp(r) of K logits of widths and of K logits of heights, and exp(r / 2) of K + 1 slopes. So the share of
            a width is its power divided by their sum.
        bound: the outer knots are at -bound and bound.
        least: no piece is narrower or lower than this share of an even one.
        z: filled.
        log_slope: filled.
    """
    bins = (powers.shape[1] - 1) // 3
    for i in range(len(x)):
        if x[i] < -bound:
            slope = float(powers[i, 2 * bins])
            z[i], log_slope[i] = -bound + slope * (x[i] + bound), math.log(slope)
        elif x[i] > bound:
            slope = float(powers[i, 3 * bins])
            z[i], log_slope[i] = bound + slope * (x[i] - bound), math.log(slope)
        else:
            k, x_0, w, z_0, h, _, _, _, _ = _piece(float(x[i]), powers[i], bound, least)
            left, right = float(powers[i, 2 * bins + k]), float(powers[i, 2 * bins + k + 1])
            above, log_slope[i] = _within(float(x[i]) - x_0, w, h, left, right)
            z[i] = z_0 + above


@njit(cache=True, nogil=True, error_model="numpy")
def coupling_backward(  # noqa: PLR0913, PLR0917  (arrays that are read, then arrays that are filled)
    x: Floats, powers: Floats, bound: float, least: float, of_z: Floats, of_log: Floats, of_x: Floats, of_r: Floats
) -> None:
    """Fill the gradients of x [n] and of the limited raw numbers r [n, 3 K + 1].

    Args:
        x: as in `coupling_forward`.
        powers: likewise.
        bound: likewise.
        least: likewise.
        of_z: gradient of z [n].
        of_log: gradient of log(dz/dx) [n].
        of_x: filled.
        of_r: filled; with respect to r, of which the powers are exp(r), and exp(r / 2) for slopes.
    """
    bins = (powers.shape[1] - 1) // 3
    free = 2.0 * bound * (1.0 - least)
    for i in range(len(x)):
        of_r[i] = 0.0
        if x[i] < -bound or x[i] > bound:
            place, knot = (2 * bins, -bound) if x[i] < -bound else (3 * bins, bound)
            slope = float(powers[i, place])
            of_x[i] = of_z[i] * slope
            of_r[i, place] = 0.5 * (of_z[i] * (x[i] - knot) * slope + of_log[i])
            continue
        k, x_0, w, _, h, width_before, width_share, height_before, height_share = _piece(
            float(x[i]), powers[i], bound, least
        )
        left, right = float(powers[i, 2 * bins + k]), float(powers[i, 2 * bins + k + 1])
        own, of_w, of_h, of_left, of_right = _of_within(
            float(x[i]) - x_0, w, h, left, right, float(of_z[i]), float(of_log[i])
        )
        of_x[i] = own
        _of_shares(of_r[i, :bins], powers[i, :bins], k, -free * own, free * of_w, width_before, width_share)
        heights = slice(bins, 2 * bins)
        _of_shares(of_r[i, heights], powers[i, heights], k, free * of_z[i], free * of_h, height_before, height_share)
        of_r[i, 2 * bins + k] = 0.5 * of_left * left
        of_r[i, 2 * bins + k + 1] = 0.5 * of_right * right


@njit(cache=True, nogil=True, error_model="numpy")
def marginal_forward(  # noqa: PLR0913, PLR0917  (arrays that are read, then arrays that are filled)
    x: Floats, knots: Floats, pieces: Floats, place: NDArray[np.int64], z: Floats, log_slope: Floats
) -> None:
    """Fill z and log(dz/dx) [n, D] for rows x [n, D], knots [D, K + 1] and pieces [D * K, 6].

    Args:
        x: any numbers.
        knots: ascending.
        pieces: x_0, z_0, w, h and the slopes at both ends of each piece.
        place: filled [n, D]: the number of the piece, or BELOW or BEYOND.
        z: filled.
        log_slope: filled.
    """
    bins = knots.shape[1] - 1
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            value = float(x[i, j])
            if value < knots[j, 0]:
                place[i, j], first = BELOW, pieces[j * bins]
                slope = float(first[4])
                z[i, j], log_slope[i, j] = first[1] + slope * (value - first[0]), math.log(slope)
            elif value > knots[j, bins]:
                place[i, j], last = BEYOND, pieces[j * bins + bins - 1]
                slope = float(last[5])
                z[i, j], log_slope[i, j] = last[1] + last[3] + slope * (value - last[0] - last[2]), math.log(slope)
            else:
                low, high = 0, bins - 1
                while low < high:
                    middle = (low + high + 1) // 2
                    if value >= knots[j, middle]:
                        low = middle
                    else:
                        high = middle - 1
                place[i, j], piece = j * bins + low, pieces[j * bins + low]
                above, log_slope[i, j] = _within(
                    value - piece[0], float(piece[2]), float(piece[3]), float(piece[4]), float(piece[5])
                )
                z[i, j] = piece[1] + above


@njit(cache=True, nogil=True, error_model="numpy")
def marginal_backward(  # noqa: PLR0913, PLR0917  (arrays that are read, then arrays that are filled)
    x: Floats,
    pieces: Floats,
    place: NDArray[np.int64],
    of_z: Floats,
    of_log: Floats,
    of_x: Floats,
    of_pieces: NDArray[np.float64],
) -> None:
    """Fill the gradient of x [n, D], and add that of the pieces to zeros [D * K, 6].

    Args:
        x: as in `marginal_forward`.
        pieces: likewise.
        place: as `marginal_forward` filled it.
        of_z: gradient of z [n, D].
        of_log: gradient of log(dz/dx) [n, D].
        of_x: filled.
        of_pieces: zeros.
    """
    bins = len(pieces) // x.shape[1]
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            of_value, k = float(of_z[i, j]), place[i, j]
            if k in (BELOW, BEYOND):
                p = j * bins if k == BELOW else j * bins + bins - 1
                end = 4 if k == BELOW else 5
                slope = float(pieces[p, end])
                beyond = float(x[i, j]) - pieces[p, 0]
                own = of_value * slope
                if k == BEYOND:
                    beyond -= pieces[p, 2]
                    of_pieces[p, 2] -= own
                    of_pieces[p, 3] += of_value
                of_pieces[p, end] += of_value * beyond + of_log[i, j] / slope
            else:
                p, piece = k, pieces[k]
                own, of_w, of_h, of_left, of_right = _of_within(
                    float(x[i, j]) - piece[0],
                    float(piece[2]),
                    float(piece[3]),
                    float(piece[4]),
                    float(piece[5]),
                    of_value,
                    float(of_log[i, j]),
                )
                of_pieces[p, 2] += of_w
                of_pieces[p, 3] += of_h
                of_pieces[p, 4] += of_left
                of_pieces[p, 5] += of_right
            of_x[i, j] = own
            of_pieces[p, 0] -= own
            of_pieces[p, 1] += of_value


@njit(cache=True, nogil=True, error_model="numpy")
def _within(u: float, w: float, h: float, left: float, right: float) -> tuple[float, float]:
    """z - z_0 and log(dz/dx) at u = x - x_0 of a piece."""
    xi = _in_unit(u / w)
    s, rest = h / w, 1.0 - xi
    inner = xi * rest
    denominator = s + (left + right - 2.0 * s) * inner
    ratio = s / denominator
    slope = (right * xi * xi + 2.0 * s * inner + left * rest * rest) * ratio * ratio
    return h * (s * xi * xi + left * inner) / denominator, math.log(slope)


@njit(cache=True, nogil=True, error_model="numpy")
def _of_within(  # noqa: PLR0913, PLR0917  (one piece, and two gradients)
    u: float, w: float, h: float, left: float, right: float, of_z: float, of_log: float
) -> tuple[float, float, float, float, float]:
    """The gradients of x, w, h and of both slopes of a piece; that of x_0 is minus that of x."""
    xi = _in_unit(u / w)
    s, rest = h / w, 1.0 - xi
    inner, square, middle = xi * rest, xi * xi, 1.0 - 2.0 * xi
    q = left + right - 2.0 * s
    denominator = s + q * inner
    below = s * square + left * inner  # z = z_0 + h below / denominator
    above = right * square + 2.0 * s * inner + left * rest * rest  # dz/dx = above (s / denominator)^2
    # From z and the logarithm to these terms.
    of_share = of_z / denominator
    of_below, of_above = of_share * h, of_log / above
    of_denominator = -(of_below * below + 2.0 * of_log) / denominator
    # From the terms to xi, s and the slopes.
    of_s = 2.0 * of_log / s + of_below * square + of_denominator * (1.0 - 2.0 * inner) + 2.0 * of_above * inner
    of_left = (of_below + of_denominator) * inner + of_above * rest * rest
    of_right = of_denominator * inner + of_above * square
    of_xi = (
        of_below * (2.0 * s * xi + left * middle)
        + of_denominator * q * middle
        + 2.0 * of_above * (right * xi + s * middle - left * rest)
    )
    # From xi = u / w and s = h / w to x and the sizes.
    return of_xi / w, -(of_s * s + of_xi * xi) / w, of_share * below + of_s / w, of_left, of_right


@njit(cache=True, nogil=True, error_model="numpy")
def _piece(
    x: float, powers: Floats, bound: float, least: float
) -> tuple[int, float, float, float, float, float, float, float, float]:
    """The piece k that x falls into, x_0, w, z_0, h, and the shares before it and of it, of widths and of heights."""
    bins = (len(powers) - 1) // 3
    free, fixed = 2.0 * bound * (1.0 - least), 2.0 * bound * least / bins
    width_sum = height_sum = 0.0
    for j in range(bins):
        width_sum += powers[j]
        height_sum += powers[bins + j]
    width_before = height_before = 0.0
    x_0, k = -bound, 0
    while True:
        width_share = powers[k] / width_sum
        w = free * width_share + fixed
        if k == bins - 1 or x < x_0 + w:
            break
        width_before += width_share
        height_before += powers[bins + k] / height_sum
        x_0 += w
        k += 1
    height_share = powers[bins + k] / height_sum
    z_0 = -bound + free * height_before + fixed * k
    return k, x_0, w, z_0, free * height_share + fixed, width_before, width_share, height_before, height_share


@njit(cache=True, nogil=True, error_model="numpy")
def _in_unit(xi: float) -> float:
    """The number, clamped to [0, 1]; NaN stays, as it does not with min and max."""
    if xi < 0.0:
        return 0.0
    return min(xi, 1.0)


@njit(cache=True, nogil=True, error_model="numpy")
def _of_shares(  # noqa: PLR0913, PLR0917  (one softmax)
    of_r: Floats, powers: Floats, k: int, of_start: float, of_size: float, before: float, share: float
) -> None:
    """Fill the gradient of logits r [K] from those of the start and of the size of the piece k.

    A start is the sum of the shares before it, and d share_j / d r_i = share_j ((i = j) - share_i).
    """
    mean = of_start * before + of_size * share
    to_share = share / powers[k]
    for j in range(len(of_r)):
        of_share = of_start if j < k else (of_size if j == k else 0.0)
        of_r[j] = (of_share - mean) * powers[j] * to_share
