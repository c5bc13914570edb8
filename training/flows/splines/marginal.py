"""One monotone spline for each column, with knots that are the same for every row."""

import copy
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from ..elementwise import flat, in_columns
from ..fused.marginal_spline import fused_marginal
from ..rows.row_sum import row_sum
from ..transform import Transform
from . import rational_quadratic
from .quantile_knots import OUTER, knots_at_quantiles
from .rational_quadratic import FIELDS, Piece


class Tables(NamedTuple):
    """Numbers from which a spline is computed, for D columns and K pieces.

    Attributes:
        x: knots [D, K + 1].
        z: values at the knots [D, K + 1].
        pieces: the six numbers of each piece [D * K, 6].
    """

    x: Tensor
    z: Tensor
    pieces: Tensor


class TrainableKnots(nn.Module):
    """Trainable knots: the first knot and value of each column, and logarithms of widths, heights and slopes.

    Args:
        dimension: D.
        bins: K.
    """

    def __init__(self, dimension: int, bins: int) -> None:
        super().__init__()
        size = torch.full((dimension, bins), 2 * OUTER / bins)
        self.first_x = nn.Parameter(torch.full((dimension,), -OUTER))
        self.first_z = nn.Parameter(torch.full((dimension,), -OUTER))
        self.log_widths = nn.Parameter(size.log())
        self.log_heights = nn.Parameter(size.log())
        self.log_slopes = nn.Parameter(torch.zeros(dimension, bins + 1))

    def forward(self) -> Tables:
        widths, heights, slopes = (torch.exp(log) for log in (self.log_widths, self.log_heights, self.log_slopes))
        x, z = _sums(self.first_x, widths), _sums(self.first_z, heights)
        pieces = Piece(x[:, :-1], z[:, :-1], widths, heights, slopes[:, :-1], slopes[:, 1:])
        return Tables(x, z, torch.stack(pieces, dim=-1).reshape(-1, FIELDS))


class ConstantKnots(nn.Module):
    """The same tables as constants, for export.

    Args:
        tables: in float64.
        dtype: type in which the splines are computed.
    """

    x: Tensor
    z: Tensor
    pieces: Tensor

    def __init__(self, tables: Tables, dtype: torch.dtype) -> None:
        super().__init__()
        for name, table in tables._asdict().items():
            self.register_buffer(name, table.to(dtype))

    def forward(self) -> Tables:
        return Tables(self.x, self.z, self.pieces)


class MarginalSpline(Transform):
    """Forward: z_j = spline_j(x_j); log|det dz/dx| = sum_j log(dz_j/dx_j). Beyond the outer knots each is a line.

    A fresh one is the identity. `fitted` makes one that maps each column of given rows to a nearly standard normal one.

    >>> rows = torch.exp(torch.randn(5000, 2, generator=torch.Generator().manual_seed(0)))  # two skewed columns
    >>> z, _ = MarginalSpline.fitted(rows, bins=16).forward(rows)
    >>> [round(float(moment), 1) for moment in (z.detach().mean().abs(), z.detach().std())]
    [0.0, 1.0]

    Args:
        dimension: D.
        bins: K, the pieces of each spline; the file has 6 D K numbers.

    Reference: Durkan et al. (2019), Neural spline flows, sec. 3.1, arXiv:1906.04032.
    """

    knots: TrainableKnots | ConstantKnots

    def __init__(self, dimension: int, bins: int) -> None:
        super().__init__()
        self.knots = TrainableKnots(dimension, bins)
        self.train(mode=False)  # a fit calls train()

    @classmethod
    def fitted(cls, rows: Tensor, bins: int) -> Self:
        """The splines that map each column of rows [n, D] to a nearly standard normal one; they can be trained on.

        Args:
            rows: standardised; they are used as they are, so their number decides how many bins they carry.
            bins: K.
        """
        result, knots = cls(rows.shape[1], bins), TrainableKnots(rows.shape[1], bins).to(rows)
        columns = [knots_at_quantiles(column, bins) for column in rows.T]
        x, z, slopes = (torch.stack(parts) for parts in zip(*columns, strict=True))  # each [D, K + 1]
        with torch.no_grad():
            knots.first_x.copy_(x[:, 0])
            knots.first_z.copy_(z[:, 0])
            knots.log_widths.copy_(torch.diff(x).log())
            knots.log_heights.copy_(torch.diff(z).log())
            knots.log_slopes.copy_(slopes.log())
        result.knots = knots
        return result

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, D] -> z [B, D], log|det dz/dx| [B]."""
        tables = self.knots.forward()
        if self.training and x.device.type == "cpu":
            z, log_slopes = fused_marginal(x, tables.x, tables.pieces)
            return z, row_sum(log_slopes)
        clamped, piece = _find(flat(x), tables.x, tables.pieces)
        z, log_slopes = rational_quadratic.forward(flat(x), clamped, piece)
        return in_columns(z, x), row_sum(in_columns(log_slopes, x))

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z [B, D] -> x [B, D], log|det dx/dz| [B]."""
        tables = self.knots.forward()
        clamped, piece = _find(flat(z), tables.z, tables.pieces)
        x, log_slopes = rational_quadratic.inverse(flat(z), clamped, piece)
        return in_columns(x, z), -row_sum(in_columns(log_slopes, z))

    def frozen(self) -> Self:
        """The same splines with knots and pieces as constants, computed in float64."""
        if isinstance(self.knots, ConstantKnots):
            return self
        result = copy.deepcopy(self)
        exact = copy.deepcopy(self.knots).double().requires_grad_(requires_grad=False)
        result.knots = ConstantKnots(exact.forward(), self.knots.first_x.dtype)
        return result


def _sums(first: Tensor, sizes: Tensor) -> Tensor:
    """first [D], sizes [D, K] -> first, and first plus the sums of the sizes so far [D, K + 1]."""
    return torch.cumsum(torch.cat((first.unsqueeze(-1), sizes), dim=-1), dim=-1)


def _find(rows: Tensor, knots: Tensor, pieces: Tensor) -> tuple[Tensor, Piece]:
    """rows [B, D], or [B] of one column -> the rows clamped to the outer knots, and their pieces."""
    dimension, bins = knots.shape[0], knots.shape[1] - 1
    clamped = torch.minimum(torch.maximum(rows, knots[:, 0]), knots[:, bins])
    index = (clamped.unsqueeze(-1) >= knots[:, 1:bins]).sum(dim=-1)  # [B, D] in 0 .. K - 1
    starts = torch.tensor(range(0, dimension * bins, bins), device=rows.device)
    found = nn.functional.embedding(index + starts, pieces)  # [B, D, 6]
    return clamped, Piece(*(part.squeeze(-1) for part in torch.split(found, 1, dim=-1)))
