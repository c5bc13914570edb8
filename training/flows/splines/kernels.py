"""The forward and the backward of the splines of a coupling, compiled to machine code; one pass over the numbers each.

The formulas are those of `rational_quadratic`, with xi, s and q as they are named there. All arithmetic is in float64,
whatever the type of the arrays. For each number, `powers` holds exp(r) of K logits of widths, of K logits of heights,
and exp(r / 2) of K + 1 slopes, so that the share of a width is its power divided by their sum.
"""

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


@njit(cache=True, nogil=True, error_model="numpy")
def forward(  # noqa: PLR0913, PLR0917  (arrays that are read, then arrays that are filled)
    x: Floats, powers: Floats, bound: float, least: float, z: Floats, log_slope: Floats
) -> None:
    """Fill z and log(dz/dx) [n] for numbers x [n] and powers [n, 3 K + 1].

    Args:
        x: any numbers.
        powers: positive.
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
            xi = _in_unit((x[i] - x_0) / w)
            s, rest = h / w, 1.0 - xi
            inner = xi * rest
            denominator = s + (left + right - 2.0 * s) * inner
            z[i] = z_0 + h * (s * xi * xi + left * inner) / denominator
            ratio = s / denominator
            log_slope[i] = math.log((right * xi * xi + 2.0 * s * inner + left * rest * rest) * ratio * ratio)


@njit(cache=True, nogil=True, error_model="numpy")
def backward(  # noqa: PLR0913, PLR0917  (arrays that are read, then arrays that are filled)
    x: Floats, powers: Floats, bound: float, least: float, of_z: Floats, of_log: Floats, of_x: Floats, of_r: Floats
) -> None:
    """Fill the gradients of x [n] and of the limited raw numbers r [n, 3 K + 1].

    Args:
        x: as in `forward`.
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
        xi = _in_unit((x[i] - x_0) / w)
        s, rest = h / w, 1.0 - xi
        inner, square, middle = xi * rest, xi * xi, 1.0 - 2.0 * xi
        q = left + right - 2.0 * s
        denominator = s + q * inner
        below = s * square + left * inner  # z = z_0 + h below / denominator
        above = right * square + 2.0 * s * inner + left * rest * rest  # dz/dx = above (s / denominator)^2
        # From z and the logarithm to these terms.
        of_share = of_z[i] / denominator
        of_below, of_above = of_share * h, of_log[i] / above
        of_denominator = -(of_below * below + 2.0 * of_log[i]) / denominator
        # From the terms to xi, s and the slopes.
        of_s = 2.0 * of_log[i] / s + of_below * square + of_denominator * (1.0 - 2.0 * inner) + 2.0 * of_above * inner
        of_left = (of_below + of_denominator) * inner + of_above * rest * rest
        of_right = of_denominator * inner + of_above * square
        of_xi = (
            of_below * (2.0 * s * xi + left * middle)
            + of_denominator * q * middle
            + 2.0 * of_above * (right * xi + s * middle - left * rest)
        )
        # From xi = (x - x_0) / w and s = h / w to the knots.
        of_x[i] = of_xi / w
        of_h = of_share * below + of_s / w
        of_w = -(of_s * s + of_xi * xi) / w
        _of_shares(of_r[i, :bins], powers[i, :bins], k, -free * of_xi / w, free * of_w, width_before, width_share)
        heights = slice(bins, 2 * bins)
        _of_shares(of_r[i, heights], powers[i, heights], k, free * of_z[i], free * of_h, height_before, height_share)
        of_r[i, 2 * bins + k] = 0.5 * of_left * left
        of_r[i, 2 * bins + k + 1] = 0.5 * of_right * right


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
