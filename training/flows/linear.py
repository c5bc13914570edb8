"""A linear transform with a triangular matrix that whitens the rows it is fitted to, or with a full one; trained on."""

import copy
from typing import Final, Self

import torch
from torch import Tensor, nn

from .matrix import BlockTriangular, Matrix
from .transform import Transform

# The covariance is kept at least this far from singular, as a share of its largest eigenvalue: the condition number of
# W is its inverse root, 1e5, and export allows 1e6.
LEAST_EIGENVALUE: Final = 1e-10
REMEDY: Final = 'fit without a column that is nearly a linear combination of others, or set linear = "none"'


class Linear(Transform):
    """Forward: z = W (x - shift); log|det dz/dx| = sum u. Inverse: x = W^-1 z + shift.

    W is lower triangular with the positive diagonal exp(u); u and the numbers below the diagonal are free. With `full`,
    W = L U with ones on the diagonal of L and exp(u) on that of U, so that it can rotate. A fresh one is the identity.
    `fitted` takes the mean and the inverse Cholesky factor of the covariance of given rows, so that the standard normal
    of z is the Gaussian of x with their mean and covariance.

    >>> rows = torch.tensor([[0.0, 0.0], [2.0, 2.0], [0.0, 2.0], [2.0, 4.0]])
    >>> z, _ = Linear.fitted(rows).requires_grad_(False).forward(rows)
    >>> torch.allclose(z.T @ z / 4, torch.eye(2))
    True

    Args:
        dimension: D.
        full: W = L U in place of L.

    Reference: Kingma and Dhariwal (2018), Glow, sec. 3.2, arXiv:1807.03039.
    """

    matrix: Matrix

    def __init__(self, dimension: int, *, full: bool = False) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(dimension))
        self.matrix = BlockTriangular(dimension, block=dimension if full else 1, det=None)

    @classmethod
    def fitted(cls, rows: Tensor) -> Self:
        """The transform that gives rows [n, D] the mean 0 and the identity as covariance."""
        exact = rows.double()
        mean = exact.mean(dim=0)
        return cls.whitening(mean, (exact - mean).T @ (exact - mean) / len(rows)).to(rows)

    @classmethod
    def whitening(cls, mean: Tensor, covariance: Tensor) -> Self:
        """The transform under which N(mean, covariance) becomes a standard normal; mean [D], covariance [D, D]."""
        dimension = len(mean)
        result, matrix = cls(dimension).to(mean), BlockTriangular(dimension, block=1, det=None).to(mean)
        matrix.set_triangle(_inverse_factor(covariance))
        result.matrix = matrix
        with torch.no_grad():
            result.shift.copy_(mean)
        return result

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, D] -> z [B, D], log|det dz/dx| [B]."""
        return self.matrix.multiply(x - self.shift), self.matrix.log_abs_det().expand(x.shape[0])

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z [B, D] -> x [B, D], log|det dx/dz| [B]."""
        return self.matrix.divide(z) + self.shift, -self.matrix.log_abs_det().expand(z.shape[0])

    def frozen(self) -> Self:
        """The same map with W and its inverse as constants, computed in float64.

        Raises:
            IllConditioned: the condition number of W is above 1e6.
        """
        result = copy.deepcopy(self)
        result.matrix = self.matrix.frozen(REMEDY)
        return result


def _inverse_factor(covariance: Tensor) -> Tensor:
    """W = C^-1 for the lower Cholesky factor C of a covariance [D, D], which is widened where it is nearly singular."""
    eigenvalues = torch.linalg.eigvalsh(covariance)
    identity = torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
    largest = eigenvalues[-1] if bool(eigenvalues[-1] > 0) else torch.ones_like(eigenvalues[-1])
    ridge = (LEAST_EIGENVALUE * largest - eigenvalues[0]).clamp_min(0)
    factor = torch.linalg.cholesky(covariance + ridge * identity)
    result: Tensor = torch.linalg.solve_triangular(factor, identity, upper=False)
    return result
