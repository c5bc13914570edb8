"""The spline coupling: a conditioner computes the knots and slopes of a rational-quadratic spline for each column."""

from dataclasses import dataclass
from typing import Annotated, Final

import torch
from pydantic import Field
from torch import Tensor

from ..conditioner import ConditionerShape
from ..coupling import Coupling, Halves
from ..elementwise import ElementwiseMap, Theta, bounded, flat, in_columns
from ..transform import TransformSpec
from . import rational_quadratic
from .fused import Layout, fused_spline
from .rational_quadratic import Piece

# No piece is narrower or lower than this share of an even one. Inside of a flat piece between steep knots the slope
# falls far below those of its knots, and in float32 the inverse loses its digits there. With the limit of the raw
# numbers, no slope of 8 pieces is below exp(-8.5), and the worst round trip of one layer loses 3e-3 of 5, whatever the
# conditioner computes.
LEAST_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True)
class RationalQuadratic(ElementwiseMap):
    """Forward: z = spline(x), through K + 1 knots from (-bound, -bound) to (bound, bound), with straight lines beyond.

    theta = (knots [B, columns, 2, K + 1] in x and in z, slopes [B, columns, K + 1] at them). With one column the axis
    of columns is left out. Raw numbers are K logits of widths, K of heights and K + 1 logarithms of slopes. Each is
    limited as r = limit * tanh(raw / limit). The widths are 2 bound (m + (1 - K m) softmax(r)) with m = 0.1 / K, and
    so are the heights; the slopes are exp(r / 2).

    Attributes:
        bins: K, the number of pieces.
        bound: the outer knots.
        limit: |r| stays below it, so that two widths differ by at most exp(2 limit), and slopes by exp(limit).

    Reference: Durkan et al. (2019), Neural spline flows, sec. 3.1, arXiv:1906.04032. There the outer slopes are 1; here
    they are free, so that the tails can be scaled.
    """

    bins: int
    bound: float
    limit: float

    @property
    def parameters(self) -> int:
        return 3 * self.bins + 1

    def raw_numbers(self, output: Tensor) -> Theta:
        """The output of a conditioner [B, P * columns] -> one tensor [B, columns, P], or [B, P] with one column."""
        columns = output.shape[-1] // self.parameters
        return (output if columns == 1 else torch.unflatten(output, -1, (columns, self.parameters)),)

    def constrain(self, raw: Theta) -> Theta:
        """Raw numbers [B, columns, P] -> theta."""
        logits, doubled = torch.split(bounded(raw[0], self.limit), [2 * self.bins, self.bins + 1], dim=-1)
        shares = torch.softmax(torch.unflatten(logits, -1, (2, self.bins)), dim=-1)
        return self._knots(shares), torch.exp(0.5 * doubled)

    def forward(self, x: Tensor, theta: Theta) -> tuple[Tensor, Tensor]:
        clamped = torch.clamp(flat(x), -self.bound, self.bound)
        piece = self._piece(clamped, theta, in_x=True)
        z, log_slope = rational_quadratic.forward(flat(x), clamped, piece)
        return in_columns(z, x), in_columns(log_slope, x)

    def forward_in_fit(self, x: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
        if x.device.type != "cpu":
            return super().forward_in_fit(x, output)
        raw = torch.unflatten(output, -1, (x.shape[-1], self.parameters))
        return fused_spline(x, raw, Layout(self.bins, self.bound, self.limit, LEAST_SHARE))

    def inverse(self, z: Tensor, theta: Theta) -> tuple[Tensor, Tensor]:
        clamped = torch.clamp(flat(z), -self.bound, self.bound)
        piece = self._piece(clamped, theta, in_x=False)
        x, log_slope = rational_quadratic.inverse(flat(z), clamped, piece)
        return in_columns(x, z), in_columns(log_slope, z)

    def _knots(self, shares: Tensor) -> Tensor:
        """Shares [..., 2, K] -> knots [..., 2, K + 1]: sums of the sizes of the pieces, as one product.

        The shares add up to 1, so a constant in every row of the matrix adds it to each knot.
        """
        free, least = 2 * self.bound * (1 - LEAST_SHARE), 2 * self.bound * LEAST_SHARE / self.bins
        pieces, knots = range(self.bins), range(self.bins + 1)
        sums = [[free * (piece < knot) + least * knot - self.bound for knot in knots] for piece in pieces]
        return shares @ torch.tensor(sums, dtype=shares.dtype, device=shares.device)

    def _piece(self, clamped: Tensor, theta: Theta, *, in_x: bool) -> Piece:
        """The pieces that the clamped numbers [B, columns] fall into."""
        knots, slopes = theta
        inner = knots[..., 0 if in_x else 1, 1 : self.bins].to(clamped.dtype)
        index = (clamped.unsqueeze(-1) >= inner).sum(dim=-1, keepdim=True)  # [B, columns, 1] in 0 .. K - 1
        # One look-up for all six numbers of a piece: x, z and slope at its left knot, then at its right knot.
        table = torch.cat((knots.flatten(-2), slopes), dim=-1)  # [B, columns, 3 (K + 1)]
        offsets = [start + side for side in (0, 1) for start in range(0, 3 * (self.bins + 1), self.bins + 1)]
        # Graphs may have rows in float64 and knots in float32 (`diffeo.training.publication.number_types`).
        found = table.gather(-1, index + torch.tensor(offsets, device=index.device)).to(clamped.dtype)
        x_0, z_0, left, x_1, z_1, right = (part.squeeze(-1) for part in torch.split(found, 1, dim=-1))
        return Piece(x_0, z_0, x_1 - x_0, z_1 - z_0, left, right)


class SplineCouplingSpec(TransformSpec):
    """Options of the coupling over a rational-quadratic spline.

    Attributes:
        bins: pieces of each spline, 2 to 64.
        bound: the outer knots, in standard deviations of the data; 0 < bound <= 100.
        limit: of the logits and of the logarithms of slopes; 0 < limit <= 3, where float32 still has digits.
    """

    bins: Annotated[int, Field(ge=2, le=64)] = 8
    bound: Annotated[float, Field(gt=0, le=100)] = 5.0
    limit: Annotated[float, Field(gt=0, le=3)] = 2.0

    def build(self, dimension: int, shape: ConditionerShape, *, flipped: bool) -> Coupling:
        return Coupling(Halves(dimension, flipped), RationalQuadratic(self.bins, self.bound, self.limit), shape)
