"""Compresses the tails of each column by a logarithm, so that a few far values do not decide a fit."""

import copy
from typing import Final, Self

import torch
from torch import Tensor, nn

from .rows.row_log import row_log
from .rows.row_sum import row_sum
from .transform import Transform

# Share of the rows in each tail, and the fewest rows that tell its shape.
TAIL: Final = 0.02
LEAST_ROWS: Final = 20
# Below the least bend a tail is straight for every row of data; float32 loses digits there. Above the greatest, a
# number 20 standard deviations out would not be finite.
LEAST_BEND: Final = 0.02
GREATEST_BEND: Final = 3.0
# Below it the error of the series is under 1e-13 of the result.
SMALL: Final = 0.05
# exp of more is close to the largest number of float32.
MOST_EXPONENT: Final = 60.0


class Tails(Transform):
    """Beyond a knot c: z = c + log(1 + a (x - c)) / a, and likewise below the lower knot; between the knots z = x.

    log|det dz/dx| = -sum_j log(1 + a_j e_j) for the distances e_j to the knots. If the excess over a knot follows a
    generalised Pareto distribution of shape k and scale s, that of z with a = k / s is exponential. The bends a are
    trained on; the knots stay.

    >>> tails = Tails(torch.tensor([-1.0]), torch.tensor([1.0]), torch.ones(1, 2))
    >>> z, ladj = tails.requires_grad_(False).forward(torch.tensor([[0.5], [2.0]]))
    >>> z.ravel(), ladj  # 1 + log(1 + 1)
    (tensor([0.5000, 1.6931]), tensor([-0.0000, -0.6931]))

    Args:
        low: the lower knot of each column [D].
        high: the upper knot [D], above it.
        bends: a below and above [D, 2], positive.

    Reference: Hosking and Wallis (1987), Parameter and quantile estimation for the generalized Pareto distribution,
    doi:10.1080/00401706.1987.10488243.
    """

    low: Tensor
    high: Tensor

    def __init__(self, low: Tensor, high: Tensor, bends: Tensor) -> None:
        super().__init__()
        self.register_buffer("low", low)
        self.register_buffer("high", high)
        self.log_bends = nn.Parameter(bends.log())

    @classmethod
    def fresh(cls, dimension: int) -> Self:
        """Nearly the identity for rows within 100 of zero."""
        ends = torch.ones(dimension)
        return cls(-ends, ends.clone(), torch.full((dimension, 2), LEAST_BEND))

    @classmethod
    def fitted(cls, rows: Tensor) -> Self:
        """The tails of the columns of standardised rows [n, D]: knots at 2 and 98 %, and bends by moments."""
        low, high = (torch.quantile(_thinned(rows), share, dim=0) for share in (TAIL, 1 - TAIL))
        bends = [
            torch.tensor([_bend(low[j] - column), _bend(column - high[j])]) for j, column in enumerate(rows.unbind(-1))
        ]
        return cls(low, high, torch.stack(bends).to(rows))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, D] -> z [B, D], log|det dz/dx| [B]."""
        inside = torch.minimum(torch.maximum(x, self.low), self.high)
        beyond = x - inside
        bend = self._bend_of(beyond)
        log = _log1p(bend * torch.abs(beyond))
        length = log / bend
        return inside + torch.where(beyond < 0, -length, length), -row_sum(log)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z [B, D] -> x [B, D], log|det dx/dz| [B]."""
        inside = torch.minimum(torch.maximum(z, self.low), self.high)
        beyond = z - inside
        bend = self._bend_of(beyond)
        log = torch.clamp(bend * torch.abs(beyond), max=MOST_EXPONENT)
        length = _expm1(log) / bend
        return inside + torch.where(beyond < 0, -length, length), row_sum(log)

    def frozen(self) -> Self:
        """The same map with its bends as constants."""
        return copy.deepcopy(self).requires_grad_(requires_grad=False)

    def _bend_of(self, beyond: Tensor) -> Tensor:
        bends = torch.exp(self.log_bends).clamp(LEAST_BEND, GREATEST_BEND)
        below, above = bends.unbind(-1)
        return torch.where(beyond < 0, below, above)


def _log1p(u: Tensor) -> Tensor:
    """log(1 + u) for u >= 0, exact for small u too; a graph has no such operator.

    Reference: Higham (2002), Accuracy and stability of numerical algorithms, sec. 1.14.1: the rounding of w = 1 + u is
    undone by u / (w - 1).
    """
    whole = 1.0 + u
    rounded = whole - 1.0
    is_seen = rounded > 0
    return torch.where(is_seen, row_log(whole) * (u / torch.where(is_seen, rounded, 1.0)), u)


def _expm1(t: Tensor) -> Tensor:
    """exp(t) - 1 for t >= 0, exact for small t too, where the Taylor series to t^7 is used."""
    series = t * (1.0 + t * (1 / 2 + t * (1 / 6 + t * (1 / 24 + t * (1 / 120 + t * (1 / 720 + t * (1 / 5040)))))))
    return torch.where(t < SMALL, series, torch.exp(t) - 1.0)


def _thinned(rows: Tensor) -> Tensor:
    # torch.quantile refuses more than 2^24 numbers.
    most = max(1, 2**23 // rows.shape[1])
    return rows[:: -(-len(rows) // most)]


def _bend(excess: Tensor) -> float:
    """a = k / s of a generalised Pareto distribution with the moments of the positive numbers; small for light tails.

    With b_0 the mean and b_1 the mean of (1 - F(e)) e: k = 2 - b_0 / (b_0 - 2 b_1) and s = 2 b_0 b_1 / (b_0 - 2 b_1).
    The reference calls -k the shape.
    """
    ordered = torch.sort(excess[excess > 0]).values.double()
    count = len(ordered)
    if count < LEAST_ROWS:
        return LEAST_BEND
    weights = 1 - (torch.arange(count, dtype=torch.float64) + 0.65) / count
    b_0, b_1 = float(ordered.mean()), float((weights * ordered).mean())
    if not b_0 > 2 * b_1 > 0:
        return LEAST_BEND
    shape, scale = 2 - b_0 / (b_0 - 2 * b_1), 2 * b_0 * b_1 / (b_0 - 2 * b_1)
    return min(GREATEST_BEND, max(LEAST_BEND, shape / scale))
