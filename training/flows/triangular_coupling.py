"""A coupling whose pass-through half is mapped by A instead of copied; `docs/coupling.md` derives it."""

import copy

import torch
from torch import Tensor

from .conditioner import ConditionerShape
from .coupling import Coupling
from .matrix import Matrix
from .row_sum import row_sum


class TriangularCoupling(Coupling):
    """Forward: z_a = A x_a, z_b = x_b * exp(s(x_a)) + t(x_a); log|det dz/dx| = log|det A| + sum s(x_a).

    Inverse: x_a = A^-1 z_a, x_b = (z_b - t(x_a)) * exp(-s(x_a)); log|det dx/dz| = -log|det A| - sum s(x_a).
    The Jacobian is [[A, 0], [B, diag(exp s)]]; B never enters its determinant.

    Args:
        dimension: D; the halves are the columns [0, D // 2) and [D // 2, D).
        shape: size and start of the conditioner.
        matrix: A, as wide as the half that passes: D // 2 columns, or D - D // 2 when flipped.
        flipped: False maps the first half by A, True the second.
        limit: |s| stays below it.
    """

    def __init__(self, dimension: int, shape: ConditionerShape, matrix: Matrix, *, flipped: bool, limit: float) -> None:
        super().__init__(dimension, shape, flipped=flipped, limit=limit)
        self.matrix = matrix

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, D] -> z [B, D], log|det A| + sum s [B]."""
        x_a, x_b = self.split(x)
        s, t = self.scale_and_shift(x_a)
        z_a = self.matrix.multiply(x_a)
        z_b = x_b * torch.exp(s) + t
        return self.join(z_a, z_b), row_sum(s) + self.matrix.log_abs_det()

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z [B, D] -> x [B, D], -log|det A| - sum s [B]."""
        z_a, z_b = self.split(z)
        x_a = self.matrix.divide(z_a)
        s, t = self.scale_and_shift(x_a)
        x_b = (z_b - t) * torch.exp(-s)
        return self.join(x_a, x_b), -row_sum(s) - self.matrix.log_abs_det()

    def frozen(self) -> "TriangularCoupling":
        """The same map with A and its inverse as constants.

        Raises:
            IllConditioned: the condition number of A is above 1e6.
        """
        result = copy.deepcopy(self)
        result.matrix = self.matrix.frozen()
        return result
