"""The spline coupling: a conditioner computes the knots and slopes of a rational-quadratic spline for each column."""

from dataclasses import dataclass
from itertools import product
from typing import Annotated, Final

import torch
from pydantic import Field
from torch import Tensor

from ..conditioner import ConditionerShape
from ..coupling import Coupling, Halves
from ..elementwise import ElementwiseMap, Theta, flat, in_columns
from ..fused.coupling_spline import Layout, fused_spline, power_factors
from ..transform import TransformSpec
from . import rational_quadratic
from .rational_quadratic import Piece

# No piece is narrower or lower than this share of an even one. Inside of a flat piece between steep knots the slope
# falls far below those of its knots, and in float32 the inverse loses its digits there. With the limit of the raw
# numbers, no slope of 8 pieces is below exp(-8.5), and the worst round trip of one layer loses 3e-3 of 5, whatever the
# conditioner computes.
LEAST_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True)
class RationalQuadratic(ElementwiseMap):
    """Forward: z = spline(x), through K + 1 knots from (-bound, -bound) to (bound, bound), with straight lines beyond.

    Raw numbers are K logits of widths, K of heights and K + 1 doubled logarithms of slopes. Each is limited as
    r = limit * tanh(raw / limit). The widths are 2 bound ((1 - m) softmax(r) + m / K) with m = 0.1, and so are the
    heights; the slopes are exp(r / 2).

    theta is one table [B, columns, 3 K + 5]: K + 1 knots in x times a number, and that number; likewise in z; and the
    slopes at the knots. The number is the sum of exp(r), by which a softmax divides. With one column the axis of
    columns is left out.

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
        """Raw numbers [B, columns, P] -> theta.

        The numbers r are limited, so their powers need no softmax, which takes ONNX Runtime ten times as long.
        """
        dtype, device = raw[0].dtype, raw[0].device
        factors = torch.tensor(power_factors(self.bins, self.limit), dtype=dtype, device=device)
        powers = torch.exp(factors * torch.tanh(flat(raw[0]) / self.limit))
        return (in_columns(powers @ torch.tensor(self._sums(), dtype=dtype, device=device), raw[0]),)

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

    def _sums(self) -> list[list[float]]:
        """The matrix [P, 3 K + 5] that makes theta of the powers: a knot is a sum of the sizes of the pieces before it.

        The shares power / sum add up to 1, so a constant in every row adds it to each knot.
        """
        bins, size = self.bins, self.bins + 2
        free, least = 2 * self.bound * (1 - LEAST_SHARE), 2 * self.bound * LEAST_SHARE / bins
        sums = [[0.0] * (2 * size + bins + 1) for _ in range(self.parameters)]
        for piece, side in product(range(bins), (0, 1)):
            row, knots = sums[side * bins + piece], range(bins + 1)
            row[side * size : (side + 1) * size] = [*(free * (piece < k) + least * k - self.bound for k in knots), 1.0]
        for knot in range(bins + 1):
            sums[2 * bins + knot][2 * size + knot] = 1.0
        return sums

    def _piece(self, clamped: Tensor, theta: Theta, *, in_x: bool) -> Piece:
        """The pieces that the clamped numbers [B, columns] fall into."""
        (table,), size = theta, self.bins + 2
        # Graphs may have rows in float64 and tables in float32 (`diffeo.training.publication.number_types`).
        total_x, total_z = (table[..., end - 1 : end].squeeze(-1).to(clamped.dtype) for end in (size, 2 * size))
        start, total = (0, total_x) if in_x else (size, total_z)
        inner = table[..., start + 1 : start + self.bins].to(clamped.dtype)
        index = ((clamped * total).unsqueeze(-1) >= inner).sum(dim=-1, keepdim=True)  # [B, columns, 1] in 0 .. K - 1
        # One look-up for all six numbers of a piece: x, z and slope at its left knot, then at its right knot.
        offsets = torch.tensor([0, size, 2 * size, 1, size + 1, 2 * size + 1], device=index.device)
        found = table.gather(-1, index + offsets).to(clamped.dtype)
        x_0, z_0, left, x_1, z_1, right = (part.squeeze(-1) for part in torch.split(found, 1, dim=-1))
        return Piece(x_0 / total_x, z_0 / total_z, (x_1 - x_0) / total_x, (z_1 - z_0) / total_z, left, right)


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
