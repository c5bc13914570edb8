"""The triangular coupling multiplies the passing half by a matrix A; `docs/coupling.md` derives its formulas."""

import copy
from typing import Annotated, Self

from pydantic import Field
from torch import Tensor

from .affine import AffineMap
from .conditioner import ConditionerShape
from .coupling import Coupling, Halves
from .elementwise import ElementwiseMap
from .matrix import BlockTriangular, Matrix
from .rows.row_sum import row_sum
from .transform import TransformSpec


class TriangularCoupling(Coupling):
    """Forward: z_a = A x_a, z_b = m(x_b; theta(x_a)); log|det dz/dx| = log|det A| + sum log|dz_b/dx_b|.

    Inverse: x_a = A^-1 z_a first, because the conditioner reads x_a; then x_b from z_b as in every coupling.
    The Jacobian is [[A, 0], [B, diag(dz_b/dx_b)]]; B is no part of its determinant.

    Args:
        halves: which columns pass and which move.
        elementwise: the map m.
        shape: size and start of the conditioner.
        matrix: A, with as many rows and columns as the half that passes.
    """

    def __init__(self, halves: Halves, elementwise: ElementwiseMap, shape: ConditionerShape, matrix: Matrix) -> None:
        super().__init__(halves, elementwise, shape)
        self.matrix = matrix

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, D] -> z [B, D], log|det dz/dx| [B]."""
        x_a, x_b = self.halves.split(x)
        theta = self.theta(x_a)
        z_a = self.matrix.multiply(x_a)
        z_b, ladj = self.elementwise.forward(x_b, theta)
        return self.halves.join(z_a, z_b), row_sum(ladj) + self.matrix.log_abs_det()

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z [B, D] -> x [B, D], log|det dx/dz| [B]."""
        z_a, z_b = self.halves.split(z)
        x_a = self.matrix.divide(z_a)
        x_b, ladj = self.elementwise.inverse(z_b, self.theta(x_a))
        return self.halves.join(x_a, x_b), -row_sum(ladj) - self.matrix.log_abs_det()

    def frozen(self) -> Self:
        """The same map with A and its inverse as constants.

        Raises:
            IllConditioned: the condition number of A is above 1e6.
        """
        result = copy.deepcopy(self)
        result.matrix = self.matrix.frozen()
        return result


class TriangularCouplingSpec(TransformSpec):
    """Options of the triangular coupling with an affine map.

    Attributes:
        block: size of the diagonal blocks of A.
        det: |det A| of each layer is held at this value; None leaves it free.
        limit: |s| of one layer stays below it; 0 < limit <= 20.
    """

    block: Annotated[int, Field(ge=1)] = 1
    det: Annotated[float, Field(gt=0)] | None = None
    limit: Annotated[float, Field(gt=0, le=20)] = 3.0

    def build(self, dimension: int, shape: ConditionerShape, *, flipped: bool) -> TriangularCoupling:
        halves = Halves(dimension, flipped)
        matrix = BlockTriangular(halves.passing, self.block, self.det)
        return TriangularCoupling(halves, AffineMap(self.limit), shape, matrix)
