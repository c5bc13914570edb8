"""One hidden product becomes one in 8-bit integers, fitted to the rows that it will meet."""

from dataclasses import dataclass
from typing import Final, Self

import torch
from torch import Tensor, nn

from ..flows.rounded_product import RoundedProduct, rounded, row_scale
from .integers import integers_of

# What the outputs carry outside a few directions may be less than the rounding of the inputs brings in. Such noise is
# dropped, up to this share of the rounding's power, which adds an eighth to the error.
DROPPED_POWER: Final = 0.25
# A product through few directions is one to them and one back; beyond a fourth of the outputs that saves no time.
MOST_DIRECTIONS: Final = 0.25


@dataclass(frozen=True, slots=True)
class Met:
    """The rows that a product meets.

    Attributes:
        h: activations [rows, features], not negative.
        scale: what one step of rounding is worth, [rows].
        r: the activations in steps, [rows, features].
        weight: what each row counts, [rows]; a row of the tails, with steps above the median, counts in its own steps.
    """

    h: Tensor
    scale: Tensor
    r: Tensor
    weight: Tensor

    @classmethod
    def of(cls, h: Tensor) -> Self:
        """The rows h [rows, features]."""
        scale = row_scale(h)
        return cls(h, scale, rounded(h, scale), (scale.median() / scale).clamp_max(1))

    def mean(self, rows: Tensor) -> Tensor:
        """The constant [outputs] that is nearest to these rows [rows, outputs]."""
        square = self.weight.square()
        return (square / square.sum()) @ rows


def round_product(product: nn.Linear, h: Tensor) -> list[nn.Module]:
    """y = W h + b as one product in integers, or as two through the few directions that y takes; h [rows, features]."""
    met = Met.of(h)
    y = product(h)
    noise = (h - met.scale[:, None] * met.r) @ product.weight.T
    directions = _directions(met.weight[:, None] * y, met.weight[:, None] * noise)
    if directions is None:
        return [_fitted(product.weight, met, y)]
    there = _fitted(directions.T @ product.weight, met, y @ directions)
    back = nn.Linear(directions.shape[1], directions.shape[0], dtype=h.dtype).requires_grad_(requires_grad=False)
    back.weight.copy_(directions)
    back.bias.copy_(met.mean(y - there(h) @ directions.T))
    return [there, back]


def _directions(y: Tensor, noise: Tensor) -> Tensor | None:
    """Orthonormal directions [outputs, k] outside which y carries next to nothing beside the noise; None for most."""
    power, directions = torch.linalg.eigh(y.T @ y)  # ascending
    dropped = power.cumsum(dim=0) <= DROPPED_POWER * noise.square().sum()
    kept = directions[:, ~dropped]
    return kept if 0 < kept.shape[1] <= MOST_DIRECTIONS * y.shape[1] else None


def _fitted(weight: Tensor, met: Met, y: Tensor) -> RoundedProduct:
    """The product with weights [outputs, features] as integers; the bias takes what is left of y [rows, outputs]."""
    integers, unit = integers_of(weight, met.r)
    return RoundedProduct(integers.T, unit, met.mean(y - met.scale[:, None] * unit * (met.r @ integers.T)))
