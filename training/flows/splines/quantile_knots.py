"""Places the knots of a column's spline at quantiles of the data, so that it becomes nearly standard normal."""

import math
from typing import Final, NamedTuple

import torch
from torch import Tensor

# The outer knots map to this many standard deviations, where 0.07 % of the rows are beyond each.
OUTER: Final = 3.2
# Rows beyond an outer knot, at least, so that they tell the slope of the tail. Of few rows the outer knots are nearer.
LEAST_TAIL_ROWS: Final = 8
# No piece is narrower than this, in standard deviations of the column and as a share of the distance of the outer
# knots. Repeated values would make a piece of no width.
LEAST_WIDTH: Final = 1e-5
# A tail is steeper than the outermost piece by at most this factor: rows may end at a knot.
MOST_STEEPER: Final = 100.0


class Knots(NamedTuple):
    """Knots (x, z) [K + 1] of one column, and the slopes dz/dx at them [K + 1]."""

    x: Tensor
    z: Tensor
    slopes: Tensor


def knots_at_quantiles(column: Tensor, bins: int) -> Knots:
    """Knots that map the quantiles of a column to those of the standard normal.

    The values z are evenly spaced, and x are the quantiles of the column at the probabilities Phi(z). The slope at an
    inner knot is the geometric mean of the two secants beside it, each weighted by the width of the other piece. So it
    lies between them. The slope of a tail makes the rows beyond the outer knot most likely.

    >>> column = torch.special.ndtri((torch.arange(1000, dtype=torch.float64) + 0.5) / 1000)  # standard normal already
    >>> knots = knots_at_quantiles(column, bins=4)
    >>> bool((knots.x - knots.z).abs().max() < 0.05)
    True

    Args:
        column: [n], standardised; n of 1 or more.
        bins: K, the number of pieces.

    References: Delbourgo and Gregory (1985), The determination of derivative parameters for a monotonic rational
    quadratic interpolant, doi:10.1093/imanum/5.4.397; Meng et al. (2020), Gaussianization flows, arXiv:2003.01941.
    """
    column = column.double()
    outer = min(OUTER, -_ndtri(min(0.25, LEAST_TAIL_ROWS / len(column))))
    z = torch.linspace(-outer, outer, bins + 1, dtype=torch.float64, device=column.device)
    x = _apart(_quantiles(column, torch.special.ndtr(z)))
    slopes = torch.exp(_log_slopes(torch.diff(x), torch.diff(z)))
    slopes[0] = _tail_slope((x[0] - column)[column < x[0]], outer, float(slopes[0]))
    slopes[-1] = _tail_slope((column - x[-1])[column > x[-1]], outer, float(slopes[-1]))
    return Knots(x, z, slopes)


def _ndtri(probability: float) -> float:
    return float(torch.special.ndtri(torch.tensor(probability, dtype=torch.float64)))


def _quantiles(column: Tensor, probabilities: Tensor) -> Tensor:
    # torch.quantile refuses more than 2^24 numbers.
    ordered = torch.sort(column).values
    position = (probabilities * len(column) - 0.5).clamp(0, len(column) - 1)
    below = position.floor().long()
    above = (below + 1).clamp(max=len(column) - 1)
    return torch.lerp(ordered[below], ordered[above], position - below)


def _apart(x: Tensor) -> Tensor:
    """The same knots with every piece at least as wide as the least width, and the middle of all where it was."""
    least = LEAST_WIDTH * max(1.0, float(x[-1] - x[0]))
    wide = torch.cat((x[:1], x[0] + torch.cumsum(torch.diff(x).clamp_min(least), dim=0)))
    return wide - ((wide[-1] - x[-1]) / 2)


def _log_slopes(widths: Tensor, heights: Tensor) -> Tensor:
    """log d [K + 1] from the widths and heights [K] of the pieces; at the ends the secants of the outermost pieces.

    d_i = s_(i-1)^(w_i / (w_(i-1) + w_i)) s_i^(w_(i-1) / (w_(i-1) + w_i)) with the secants s = h / w.
    """
    secants = torch.log(heights / widths)
    weight = widths[1:] / (widths[:-1] + widths[1:])
    inner = weight * secants[:-1] + (1 - weight) * secants[1:]
    return torch.cat((secants[:1], inner, secants[-1:]))


def _tail_slope(excess: Tensor, outer: float, secant: float) -> float:
    """The slope d > 0 of a tail under which the rows beyond the outer knot are most likely.

    z = outer + d e for the excess e of a row over the knot, so its log density is -(outer + d e)^2 / 2 + log d. The
    mean over the rows is largest at the root of m_2 d^2 + outer m_1 d - 1 = 0 with the mean m_1 of e and m_2 of e^2.
    """
    if not len(excess):
        return secant
    linear, square = outer * float(excess.mean()), float(excess.square().mean())
    # Repeated values can leave fewer rows beyond the knot. They may make the tail flatter, and not steeper.
    most = secant * (MOST_STEEPER if len(excess) >= LEAST_TAIL_ROWS else 1.0)
    return min(2 / (linear + math.sqrt(linear * linear + 4 * square)), most)
