"""The affine map z = x * exp(s) + t, and the coupling that uses it."""

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from .conditioner import ConditionerShape
from .coupling import Coupling, Halves
from .elementwise import ElementwiseMap, Theta, bounded
from .transform import TransformSpec


@dataclass(frozen=True, slots=True)
class AffineMap(ElementwiseMap):
    """Forward: z = x * exp(s) + t; log|dz/dx| = s. Inverse: x = (z - t) * exp(-s). theta = (s, t).

    s = limit * tanh(raw / limit), so that one layer scales by at most exp(limit) in either direction.

    Attributes:
        limit: |s| stays below it.

    Reference: Dinh et al. (2017), Density estimation using Real NVP, sec. 3.2, arXiv:1605.08803.
    """

    limit: float

    @property
    def parameters(self) -> int:
        return 2

    def constrain(self, raw: Theta) -> Theta:
        """Raw s and t [B, columns] -> s, t [B, columns]."""
        s, t = raw
        return bounded(s, self.limit), t

    def forward(self, x: Tensor, theta: Theta) -> tuple[Tensor, Tensor]:
        s, t = theta
        return x * torch.exp(s) + t, s

    def inverse(self, z: Tensor, theta: Theta) -> tuple[Tensor, Tensor]:
        s, t = theta
        return (z - t) * torch.exp(-s), s


class AffineCouplingSpec(TransformSpec):
    """Options of the affine coupling.

    Attributes:
        limit: |s| of one layer stays below it; 0 < limit <= 20.
    """

    limit: Annotated[float, Field(gt=0, le=20)] = 3.0

    def build(self, dimension: int, shape: ConditionerShape, *, flipped: bool) -> Coupling:
        return Coupling(Halves(dimension, flipped), AffineMap(self.limit), shape)
