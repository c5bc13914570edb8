"""An invertible matrix A of a transform: with trainable parameters that give its determinant, or as constants."""

import copy
import math
from abc import ABC, abstractmethod
from typing import Final

import torch
from torch import Tensor, nn

from ..errors import IllConditioned

# At this condition number a relative error of 1e-7 in z_a becomes 1e-1 in x_a, so no digit is left.
MAX_CONDITION: Final = 1e6
REMEDY: Final = "set det in the recipe, or fit for fewer epochs"


class Matrix(nn.Module, ABC):
    """An invertible A [d, d] that maps rows, with log|det A|."""

    @abstractmethod
    def multiply(self, a: Tensor) -> Tensor:
        """Rows a [B, d] -> rows A a [B, d]."""

    @abstractmethod
    def divide(self, a: Tensor) -> Tensor:
        """Rows a [B, d] -> rows A^-1 a [B, d]."""

    @abstractmethod
    def log_abs_det(self) -> Tensor:
        """log|det A|, a scalar."""

    @abstractmethod
    def frozen(self, remedy: str = REMEDY) -> "ConstantMatrix":
        """The same matrix as constants, for export.

        Args:
            remedy: the advice of the error.

        Raises:
            IllConditioned: the condition number is above 1e6.
        """


class BlockTriangular(Matrix):
    """A = [[D_1, 0, ..], [F_21, D_2, ..], ..]: free blocks F below the diagonal, diagonal blocks D_k = L_k U_k.

    L_k is lower triangular with ones on the diagonal, U_k upper triangular with exp(u) there, so that det A = exp(sum
    u) > 0. Blocks of size 1 make A lower triangular with the positive diagonal exp(u). A starts as the identity, or as
    det^(1/d) times the identity.

    Args:
        dimension: d, rows and columns of A.
        block: size of the diagonal blocks; the last block is smaller if it does not divide d.
        det: det A is held at this positive value; None leaves it free.

    Without a permutation all leading minors of a block are positive: it can rotate and shear, but not swap or reflect.

    Reference: Kingma and Dhariwal (2018), Glow, sec. 3.2 (LU form of one matrix, with a permutation),
    arXiv:1807.03039.
    """

    below: Tensor
    inside: Tensor

    def __init__(self, dimension: int, block: int, det: float | None) -> None:
        super().__init__()
        self.log_det = None if det is None else math.log(det)
        block_of = torch.arange(dimension) // block
        rows, columns = torch.tril_indices(dimension, dimension, -1)
        same = block_of[rows] == block_of[columns]
        self.register_buffer("below", torch.stack([rows, columns])[:, ~same], persistent=False)  # [2, F]
        self.register_buffer("inside", torch.stack([rows, columns])[:, same], persistent=False)  # [2, L]
        self.free = nn.Parameter(torch.zeros(self.below.shape[1]))
        self.lower = nn.Parameter(torch.zeros(self.inside.shape[1]))
        self.upper = nn.Parameter(torch.zeros(self.inside.shape[1]))
        self.diagonal = nn.Parameter(torch.zeros(dimension))

    def forward(self) -> Tensor:
        """A [d, d]."""
        rows, columns = self.inside
        unit = torch.eye(len(self.diagonal), dtype=self.diagonal.dtype, device=self.diagonal.device)
        lower = unit.index_put((rows, columns), self.lower)
        upper = torch.diag(torch.exp(self._u())).index_put((columns, rows), self.upper)
        free = torch.zeros_like(unit).index_put(tuple(self.below), self.free)
        return free + lower @ upper

    def set_triangle(self, triangle: Tensor) -> None:
        """Set A, for blocks of size 1.

        Args:
            triangle: lower triangular with a positive diagonal [d, d].
        """
        with torch.no_grad():
            self.free.copy_(triangle[tuple(self.below)])
            self.diagonal.copy_(torch.log(torch.diagonal(triangle)))

    def multiply(self, a: Tensor) -> Tensor:
        return a @ self.forward().T

    def divide(self, a: Tensor) -> Tensor:
        matrix = self.forward()
        if not self.inside.shape[1]:  # blocks of size 1; torch's general solver fails in a vmap over 200 columns
            result: Tensor = torch.linalg.solve_triangular(matrix, a.T, upper=False).T
        else:
            result = torch.linalg.solve(matrix, a.T).T
        return result

    def log_abs_det(self) -> Tensor:
        return self._u().sum()

    def frozen(self, remedy: str = REMEDY) -> "ConstantMatrix":
        exact = _in_float64(self)
        matrix = exact.forward()
        condition = float(torch.linalg.cond(matrix)) if bool(matrix.isfinite().all()) else math.nan
        if not condition <= MAX_CONDITION:
            raise IllConditioned(
                f"a matrix of the flow has condition number {condition:.3g}; its inverse is exact enough up to "
                f"{MAX_CONDITION:.0e} only; {remedy}"
            )
        return ConstantMatrix(matrix, torch.linalg.inv(matrix), exact.log_abs_det(), self.diagonal.dtype)

    def _u(self) -> Tensor:
        if self.log_det is None:
            return self.diagonal
        return self.diagonal - self.diagonal.mean() + self.log_det / len(self.diagonal)


class ConstantMatrix(Matrix):
    """A, A^-1 and log|det A| as constants: each direction is one product, which every exporter supports.

    Args:
        a: A [d, d], float64.
        inverse: A^-1 [d, d], float64.
        ladj: log|det A|, float64.
        dtype: type in which the products are computed.
    """

    a: Tensor
    inverse: Tensor
    ladj: Tensor

    def __init__(self, a: Tensor, inverse: Tensor, ladj: Tensor, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("a", a.T.contiguous().to(dtype))
        self.register_buffer("inverse", inverse.T.contiguous().to(dtype))
        self.register_buffer("ladj", ladj.to(dtype))

    def multiply(self, a: Tensor) -> Tensor:
        return a @ self.a

    def divide(self, a: Tensor) -> Tensor:
        return a @ self.inverse

    def log_abs_det(self) -> Tensor:
        return self.ladj

    def frozen(self, remedy: str = REMEDY) -> "ConstantMatrix":  # noqa: ARG002  (nothing is refused here)
        return self


def _in_float64(matrix: BlockTriangular) -> BlockTriangular:
    exact = copy.deepcopy(matrix).double()
    return exact.requires_grad_(requires_grad=False)
