"""`Gaussian`: the normal distribution with full covariance that has the largest likelihood, in closed form."""

import math
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_triangular

from ..thinning import effective_rows, resampled
from .scaling import Scaling

Array = npt.NDArray[np.float64]

# With fewer rows a column the covariance of the sample is too noisy, and Ledoit and Wolf's is closer to the truth.
SHRINK_BELOW_ROWS_PER_COLUMN: Final = 20
# The smallest eigenvalue of the covariance, as a share of the largest: below it the density is not finite in practice.
SMALLEST_EIGENVALUE: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Gaussian:
    """N(mean, L L^T) of scaled rows u = (x - centre) / scale.

    Attributes:
        scaling: from x to u.
        mean: of u [D].
        cholesky: L, lower triangular [D, D].
        shrinkage: weight of the multiple of the identity in the covariance; 0 for the closed form itself.
    """

    scaling: Scaling
    mean: Array
    cholesky: Array
    shrinkage: float

    @classmethod
    def fit(cls, rows: Array, weights: Array | None = None, seed: int = 0) -> Self:
        """Mean and covariance of the rows [n, D], with weights [n] that need not sum to 1.

            mean = sum w u / sum w,    covariance = sum w (u - mean) (u - mean)^T / sum w

        With fewer than 20 rows a column, or a singular covariance, Ledoit and Wolf's estimate replaces the covariance:
        (1 - s) covariance + s trace(covariance) / D I, with the s that is closest to the truth.

        Reference: Ledoit and Wolf (2004), A well-conditioned estimator for large-dimensional covariance matrices,
        eq. 14, doi:10.1016/S0047-259X(03)00096-4.

        >>> rows = np.array([[0.0, 0.0], [2.0, 2.0], [0.0, 2.0], [2.0, 0.0]] * 10)
        >>> Gaussian.fit(rows).log_prob(np.array([[1.0, 1.0]])).round(4)
        array([-1.8379])
        """
        scaling = Scaling.of(rows)
        u = scaling.forward(rows)
        mean: Array = np.average(u, axis=0, weights=weights)
        covariance = np.atleast_2d(np.cov(u, rowvar=False, bias=True, aweights=weights))
        few = effective_rows(weights, len(u)) < SHRINK_BELOW_ROWS_PER_COLUMN * u.shape[1]
        shrinkage = 0.0
        if len(u) > 1 and (few or _is_singular(covariance)):
            from sklearn.covariance import ledoit_wolf  # noqa: PLC0415  (a slow import that most fits do not need)

            covariance, shrinkage = ledoit_wolf(u if weights is None else u[resampled(weights, len(u), seed)])
            mean = u.mean(axis=0) if weights is None else mean
        if _is_singular(covariance):
            covariance = covariance + _floor(covariance) * np.eye(len(mean))
        return cls(scaling, mean, np.linalg.cholesky(covariance.astype(np.float64)), float(shrinkage))

    def log_prob(self, x: Array) -> Array:
        """Log density of the rows x [n, D], nats, in the units of x.

        log p = -|L^-1 (u - mean)|^2 / 2 - sum log L_ii - D/2 log 2 pi - sum log scale
        """
        centred = self.scaling.forward(x) - self.mean
        whitened = solve_triangular(self.cholesky, centred.T, lower=True)  # [D, n]
        constant = np.log(np.diag(self.cholesky)).sum() + 0.5 * len(self.mean) * math.log(2 * math.pi)
        log_prob: Array = -0.5 * np.square(whitened).sum(axis=0) - constant + self.scaling.log_abs_det
        return log_prob


def _is_singular(covariance: Array) -> bool:
    values = np.linalg.eigvalsh(covariance)
    return bool(values[0] <= SMALLEST_EIGENVALUE * max(values[-1], np.finfo(np.float64).tiny))


def _floor(covariance: Array) -> float:
    largest = float(np.linalg.eigvalsh(covariance)[-1])
    # Rows that are all equal have no scale of their own: 1 is that of the scaled columns.
    return 1e3 * SMALLEST_EIGENVALUE * largest if largest > 0 else 1.0
