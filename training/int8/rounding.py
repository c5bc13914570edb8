"""Replaces one product between hidden layers by a product in 8-bit integers, fitted to given inputs."""

from dataclasses import dataclass
from typing import Final, Self

import torch
from torch import Tensor, nn

from .integer_weights import integer_weights
from .rounded_product import RoundedProduct, rounded, row_scale

# Outside a few directions the outputs may carry less power than the rounding of the inputs adds. Such directions are
# dropped, up to this share of the rounding's power; this adds an eighth to the error.
DROPPED_POWER: Final = 0.25
# A product through few directions is one product to them and one product back. Above a fourth of the outputs, two
# products save no time.
MOST_DIRECTIONS: Final = 0.25


@dataclass(frozen=True, slots=True)
class ProductInputs:
    """The inputs that a product is fitted to.

    Attributes:
        h: activations [rows, features], not negative.
        scale: value of one rounding step, [rows].
        r: the activations in steps, [rows, features].
        weight: weight of each row in the fit, [rows]; rows with steps above the median, in the tails, weigh less.
    """

    h: Tensor
    scale: Tensor
    r: Tensor
    weight: Tensor

    @classmethod
    def of(cls, h: Tensor) -> Self:
        """The inputs h [rows, features]."""
        scale = row_scale(h)
        return cls(h, scale, rounded(h, scale), (scale.median() / scale).clamp_max(1))

    def mean(self, rows: Tensor) -> Tensor:
        """The weighted mean [outputs] of rows [rows, outputs]: the constant with the least squared error."""
        square = self.weight.square()
        return (square / square.sum()) @ rows


def round_product(product: nn.Linear, h: Tensor) -> list[RoundedProduct | nn.Linear]:
    """Replace y = W h + b by integer arithmetic, fitted to the activations h [rows, features].

    Returns:
        One rounded product; or, where y lies in few directions, a rounded product to them and a float product back.
    """
    inputs = ProductInputs.of(h)
    y = product(h)
    noise = (h - inputs.scale[:, None] * inputs.r) @ product.weight.T
    directions = _directions(inputs.weight[:, None] * y, inputs.weight[:, None] * noise)
    if directions is None:
        return [_fitted(product.weight, inputs, y)]
    reduce = _fitted(directions.T @ product.weight, inputs, y @ directions)
    expand = nn.Linear(directions.shape[1], directions.shape[0], dtype=h.dtype).requires_grad_(requires_grad=False)
    expand.weight.copy_(directions)
    expand.bias.copy_(inputs.mean(y - reduce(h) @ directions.T))
    return [reduce, expand]


def _directions(y: Tensor, noise: Tensor) -> Tensor | None:
    """Orthonormal directions [outputs, k]; outside them y has less power than the noise. None if they are many."""
    power, directions = torch.linalg.eigh(y.T @ y)  # ascending
    dropped = power.cumsum(dim=0) <= DROPPED_POWER * noise.square().sum()
    kept = directions[:, ~dropped]
    return kept if 0 < kept.shape[1] <= MOST_DIRECTIONS * y.shape[1] else None


def _fitted(weight: Tensor, inputs: ProductInputs, y: Tensor) -> RoundedProduct:
    """The product with integer weights [outputs, features]; its bias removes the mean error of y [rows, outputs]."""
    integers, unit = integer_weights(weight, inputs.r)
    return RoundedProduct(integers.T, unit, inputs.mean(y - inputs.scale[:, None] * unit * (inputs.r @ integers.T)))
