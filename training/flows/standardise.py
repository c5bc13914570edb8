"""The first transform of every flow: shifts and scales each column of x from the user's units to mean 0 and scale 1."""

import torch
from torch import Tensor

from .transform import Transform


class Standardise(Transform):
    """z = (x - mean) / scale; log|det dz/dx| = -sum log scale.

    Mean and scale are stored in the type of x on the wire; all later transforms work in the type of `unit`. So a column
    such as 1.7e9 +- 10 keeps its digits if x is float64, even though the couplings compute in float32.

    >>> layer = Standardise(mean=torch.tensor([10.0, 0.0]), scale=torch.tensor([2.0, 1.0]))
    >>> layer.forward(torch.tensor([[14.0, 2.0]]))  # log|det| = -log(2 * 1)
    (tensor([[2., 2.]]), tensor([-0.6931]))

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
        """x [B, D] in the user's units -> z [B, D], log|det dz/dx| [B]."""
        z = ((x - self.mean) / self.scale).to(self.unit.dtype)
        return z, -self._log_scale().expand(z.shape[0])

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z [B, D] -> x [B, D] in the user's units, log|det dx/dz| [B]."""
        x = z.to(self.mean.dtype) * self.scale + self.mean
        return x, self._log_scale().expand(z.shape[0])

    def _log_scale(self) -> Tensor:
        return torch.log(self.scale).sum().to(self.unit.dtype)
