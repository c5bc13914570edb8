"""The first transform of every flow: the user's units become unit scale, and its Jacobian brings densities back."""

import torch
from torch import Tensor

from .transform import Transform


class Standardise(Transform):
    """z = (x - mean) / scale; log|det dz/dx| = -sum log scale.

    Mean and scale are stored in the type of x on the wire. Everything after works in the type of `unit`, so a column
    such as 1.7e9 +- 10 keeps its digits when x is float64 although the couplings compute in float32.

    Args:
        mean: [D], in the user's units.
        scale: [D], positive, in the user's units.
    """

    mean: Tensor
    scale: Tensor
    unit: Tensor

    def __init__(self, mean: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        self.register_buffer("unit", torch.ones(()))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, D] in the user's units -> z [B, D]."""
        z = ((x - self.mean) / self.scale).to(self.unit.dtype)
        return z, -self._log_scale().expand(z.shape[0])

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z [B, D] -> x [B, D] in the user's units."""
        x = z.to(self.mean.dtype) * self.scale + self.mean
        return x, self._log_scale().expand(z.shape[0])

    def _log_scale(self) -> Tensor:
        return torch.log(self.scale).sum().to(self.unit.dtype)
