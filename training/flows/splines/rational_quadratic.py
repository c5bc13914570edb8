"""One piece of a monotone rational-quadratic spline, forward and inverse, with straight lines beyond the outer knots.

Between two knots (x_0, y_0) and (x_1, y_1) with slopes d_0, d_1 > 0 at them, let w = x_1 - x_0, h = y_1 - y_0,
s = h / w, q = d_0 + d_1 - 2 s and xi = (x - x_0) / w in [0, 1]. Then

    y     = y_0 + h (s xi^2 + d_0 xi (1 - xi)) / (s + q xi (1 - xi))
    dy/dx = s^2 (d_1 xi^2 + 2 s xi (1 - xi) + d_0 (1 - xi)^2) / (s + q xi (1 - xi))^2

which is monotone for all positive d_0, d_1, and has the slope d_0 at x_0 and d_1 at x_1. A caller clamps its number to
the outer knots before it selects the piece, so that no arithmetic meets a number far out. The rest of the number
continues along the line with the slope at the outer knot.

References: Gregory and Delbourgo (1982), Piecewise rational quadratic interpolation to monotonic data,
doi:10.1093/imanum/2.2.123; Durkan et al. (2019), Neural spline flows, sec. 3.1 and app. A, arXiv:1906.04032.
"""

from typing import Final, NamedTuple

import torch
from torch import Tensor

from ..rows.row_log import row_log


class Piece(NamedTuple):
    """The piece that each number falls into; every tensor has the shape of the numbers.

    Attributes:
        x: its left knot, x_0.
        y: the value there, y_0.
        width: w > 0.
        height: h > 0.
        left: slope at the left knot, d_0 > 0.
        right: slope at the right knot, d_1 > 0.
    """

    x: Tensor
    y: Tensor
    width: Tensor
    height: Tensor
    left: Tensor
    right: Tensor


FIELDS: Final = len(Piece._fields)


def forward(x: Tensor, clamped: Tensor, piece: Piece) -> tuple[Tensor, Tensor]:
    """Numbers x -> y, log(dy/dx).

    >>> one, zero = torch.ones(1), torch.zeros(1)
    >>> straight = Piece(zero, zero, one, 2 * one, 2 * one, 2 * one)
    >>> forward(torch.tensor([0.25]), torch.tensor([0.25]), straight)
    (tensor([0.5000]), tensor([0.6931]))
    >>> forward(torch.tensor([3.0]), torch.tensor([1.0]), straight)[0]  # beyond the knot at 1, along the slope 2
    tensor([6.])

    Args:
        x: any numbers.
        clamped: the same, clamped to the outer knots.
        piece: the pieces of the clamped numbers.
    """
    xi = torch.clamp((clamped - piece.x) / piece.width, 0.0, 1.0)
    s, square = piece.height / piece.width, xi * xi
    inner = xi - square  # xi (1 - xi)
    # y = y_0 + h (s xi^2 + d_0 xi (1 - xi)) / (s + q xi (1 - xi))
    denominator = s + _curvature(s, piece) * inner
    y = piece.y + piece.height * (s * square + piece.left * inner) / denominator
    beyond = x - clamped
    line = _line(beyond, _slope(s, xi, denominator, piece), piece)
    return y + line * beyond, row_log(line)


def inverse(y: Tensor, clamped: Tensor, piece: Piece) -> tuple[Tensor, Tensor]:
    """Numbers y -> x, log(dy/dx) at that x.

    With u = y - y_0, xi is a root of a xi^2 + b xi + c = 0 with a = h (s - d_0) + u q, b = h d_0 - u q and c = -s u.
    The form xi = 2 s u / (b + sqrt(b^2 - 4 a c)) subtracts no two nearly equal numbers, also where a is zero.

    Args:
        y: any numbers.
        clamped: the same, clamped to the values at the outer knots.
        piece: the pieces of the clamped numbers.
    """
    u, s = clamped - piece.y, piece.height / piece.width
    q = _curvature(s, piece)
    uq = u * q
    a, b = piece.height * (s - piece.left) + uq, piece.height * piece.left - uq
    su = s * u
    # Rounding can bring the discriminant below zero; in exact numbers it is positive.
    root = torch.sqrt(torch.relu(b * b + 4.0 * a * su))
    xi = torch.clamp(2.0 * su / (b + root), 0.0, 1.0)
    x = piece.x + xi * piece.width
    beyond = y - clamped
    line = _line(beyond, _slope(s, xi, s + q * (xi - xi * xi), piece), piece)
    return x + beyond / line, row_log(line)


def _line(beyond: Tensor, slope: Tensor, piece: Piece) -> Tensor:
    # Beyond the outer knots this is the slope of the outer knot. There xi is 0 or 1 up to rounding only, so the slope
    # of the piece is inexact where the tail is much flatter than the piece.
    return torch.where(beyond < 0, piece.left, torch.where(beyond > 0, piece.right, slope))


def _curvature(s: Tensor, piece: Piece) -> Tensor:
    # q = d_0 + d_1 - 2 s
    return piece.left + piece.right - 2.0 * s


def _slope(s: Tensor, xi: Tensor, denominator: Tensor, piece: Piece) -> Tensor:
    # dy/dx = (d_1 xi^2 + 2 s xi (1 - xi) + d_0 (1 - xi)^2) (s / (s + q xi (1 - xi)))^2
    square, rest = xi * xi, 1.0 - xi
    ratio = s / denominator
    return (piece.right * square + 2.0 * s * (xi - square) + piece.left * (rest * rest)) * (ratio * ratio)
