"""Coupling: one half passes through and tells how to scale and shift the other, so both ways cost one pass."""

import torch
from torch import Tensor

from .conditioner import Conditioner, ConditionerShape
from .row_sum import row_sum
from .transform import Transform


class Coupling(Transform):
    """The halves a and b, and the scale and shift that a gives b.

    s = limit * tanh(raw / limit), so that one layer scales by at most exp(limit) either way.

    Args:
        dimension: D; the halves are the columns [0, D // 2) and [D // 2, D).
        shape: size and start of the conditioner.
        flipped: False passes the first half through, True the second.
        limit: |s| stays below it.
    """

    def __init__(self, dimension: int, shape: ConditionerShape, *, flipped: bool, limit: float) -> None:
        super().__init__()
        self.halves = [dimension // 2, dimension - dimension // 2]
        self.flipped = flipped
        self.limit = limit
        passing, moving = reversed(self.halves) if flipped else self.halves
        self.conditioner = Conditioner(passing, 2 * moving, shape)

    def scale_and_shift(self, a: Tensor) -> tuple[Tensor, Tensor]:
        """a [B, passing] -> s, t [B, moving]."""
        raw, t = torch.chunk(self.conditioner.forward(a), 2, dim=-1)
        # ONNX Runtime takes twenty times as long for a column times a number as for a vector times a number.
        s = self._bounded(raw.squeeze(-1)).unsqueeze(-1) if raw.shape[-1] == 1 else self._bounded(raw)
        return s, t

    def _bounded(self, raw: Tensor) -> Tensor:
        return self.limit * torch.tanh(raw / self.limit)

    def split(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """rows [B, D] -> a [B, passing], b [B, moving]."""
        first, second = torch.split(rows, self.halves, dim=-1)
        return (second, first) if self.flipped else (first, second)

    def join(self, a: Tensor, b: Tensor) -> Tensor:
        """a [B, passing], b [B, moving] -> rows [B, D]."""
        return torch.cat((b, a) if self.flipped else (a, b), dim=-1)


class AffineCoupling(Coupling):
    """Forward: z_a = x_a, z_b = x_b * exp(s(x_a)) + t(x_a); log|det dz/dx| = sum s(x_a).

    Inverse: x_a = z_a, x_b = (z_b - t(z_a)) * exp(-s(z_a)); log|det dx/dz| = -sum s(z_a).

    Reference: Dinh et al. (2017), Density estimation using Real NVP, sec. 3.2, arXiv:1605.08803.
    """

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, D] -> z [B, D], sum s [B]."""
        x_a, x_b = self.split(x)
        s, t = self.scale_and_shift(x_a)
        z_b = x_b * torch.exp(s) + t
        return self.join(x_a, z_b), row_sum(s)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z [B, D] -> x [B, D], -sum s [B]."""
        z_a, z_b = self.split(z)
        s, t = self.scale_and_shift(z_a)
        x_b = (z_b - t) * torch.exp(-s)
        return self.join(z_a, x_b), -row_sum(s)
