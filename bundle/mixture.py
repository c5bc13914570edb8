"""The base distribution as a mixture of Gaussians, with the bytes of base.npy.

Row i of a draw owns the random words of `diffeo.bundle.base` with W = D + 1: word 0 chooses the component by the sums
of the weights so far, and words 1 to D give the normals n. Then z = mean + T L n, summed column by column of L, so
that every machine computes the same bits.

The file is one float64 array [C, 1 + D + D (D + 1) / 2]. A row is one component: its weight, its mean, and the rows of
its lower triangular factor L, each up to the diagonal.
"""

import math
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp, ndtr, ndtri, softmax

from . import npy
from .base import Array, Rows, uniforms
from .errors import BaseInvalid
from .manifest import BASE_NAME

MOST_COMPONENTS: Final = 1024
# The weights of a file may differ from 1 in sum by rounding only.
SUM_TOLERANCE: Final = 1e-9
# Standard deviations of z lie between these. A flow trains on rows of spread 1.
SMALLEST: Final = 1e-6
LARGEST: Final = 1e6


@dataclass(frozen=True, slots=True)
class GaussianMixture:
    """p(z) = sum_k w_k N(z; mean_k, T^2 L_k L_k^T). The temperature T scales the noise about each mean.

    Attributes:
        weights: w [C], positive, with sum 1.
        means: [C, D].
        factors: L [C, D, D], lower triangular with positive diagonals.
        inverse_factors: L^-1 [C, D, D].
    """

    weights: Array
    means: Array
    factors: Array
    inverse_factors: Array

    @classmethod
    def of(cls, weights: Array, means: Array, factors: Array) -> Self:
        """The mixture of these components.

        >>> mixture = GaussianMixture.of(np.ones(1), np.zeros((1, 2)), np.eye(2)[None])
        >>> mixture.log_prob(np.zeros((1, 2))).round(4)
        array([-1.8379])
        """
        return cls(weights, means, factors, np.asarray(np.linalg.inv(factors), dtype=np.float64))

    @property
    def dimension(self) -> int:
        """D, columns of z."""
        return int(self.means.shape[1])

    def draw(self, seed: int, start: int, count: int, temperature: float = 1.0) -> Rows:
        """Rows [start, start + count) of the endless sample named by `seed`; see `diffeo.bundle.base.Base`."""
        uniform = uniforms(seed, start, count, 1 + self.dimension)
        sums = np.cumsum(self.weights)
        component = np.minimum(np.searchsorted(sums, uniform[:, 0] * sums[-1], side="right"), len(sums) - 1)
        noise = temperature * np.asarray(ndtri(uniform[:, 1:]), dtype=np.float64)
        z: Array = self.means[component]
        for column in range(self.dimension):
            z[:, column:] += self.factors[component, column:, column] * noise[:, column, None]
        return np.asarray(z, dtype=np.float32)

    def log_prob(self, z: npt.NDArray[np.floating], temperature: float = 1.0) -> Array:
        """Log density of each row, nats.

        log p = log sum_k exp(log w_k - |L_k^-1 (z - mean_k)|^2 / (2 T^2) - sum log L_k,ii) - D log T - D/2 log 2 pi
        """
        scale = np.log(np.diagonal(self.factors, axis1=1, axis2=2)).sum(axis=1)  # [C]
        rows = np.asarray(z, dtype=np.float64)
        logits = np.empty((len(self.weights), len(rows)))
        with np.errstate(over="ignore"):
            for logit, mean, inverse in zip(logits, self.means, self.inverse_factors, strict=True):
                logit[:] = -0.5 * np.square((rows - mean) @ inverse.T / temperature).sum(axis=1)
        logits += (np.log(self.weights) - scale)[:, None]
        constant = self.dimension * (math.log(temperature) + 0.5 * math.log(2 * math.pi))
        result: Array = logsumexp(logits, axis=0) - constant
        return result

    def normal_scores(self, z: npt.NDArray[np.floating]) -> Array:
        """z [n, D] -> [n, D], independent standard normals if z follows this mixture.

        Score j is ndtri of P(Z_j <= z_j | Z_i = z_i for i < j). With e_k = L_k^-1 (z - mean_k) this probability is
        sum_k r_kj Phi(e_kj), where r_kj is the weight of component k given the columns before j.

        Reference: Rosenblatt (1952), Remarks on a multivariate transformation, doi:10.1214/aoms/1177729394.
        """
        rows = np.asarray(z, dtype=np.float64)
        e = np.stack([(rows - mean) @ inv.T for mean, inv in zip(self.means, self.inverse_factors, strict=True)])
        logits = np.repeat(np.log(self.weights)[:, None], len(rows), axis=1)  # [C, n]
        scores = np.empty(rows.shape)
        for column in range(self.dimension):
            posterior = softmax(logits, axis=0)
            below, above = ((posterior * ndtr(sign * e[:, :, column])).sum(axis=0) for sign in (1, -1))
            # The smaller of the two probabilities has its digits. Beyond 8 standard deviations there are none.
            scores[:, column] = np.clip(np.where(below < above, ndtri(below), -ndtri(above)), -LARGEST, LARGEST)
            logits -= 0.5 * np.square(e[:, :, column]) + np.log(self.factors[:, column, column])[:, None]
        return scores

    def surface(self, directions: Array, radius: float) -> Array:
        """Points at this many standard deviations from each mean, in these directions [n, D]: [C n, D]."""
        points: Array = self.means[:, None] + radius * directions @ self.factors.transpose(0, 2, 1)
        return points.reshape(-1, self.dimension)

    def to_bytes(self) -> bytes:
        """The bytes of the file."""
        triangle = self.factors[:, *np.tril_indices(self.dimension)]
        return npy.write(np.concatenate([self.weights[:, None], self.means, triangle], axis=1))


def parse(content: bytes, dimension: int) -> GaussianMixture:
    """Read the bytes of a file for D = `dimension` columns.

    Raises:
        BaseInvalid: wrong type or shape, or numbers that are those of no mixture.
    """
    try:
        table = npy.read(content)
    except npy.NpyInvalid as error:
        raise BaseInvalid(f"{BASE_NAME}: {error}") from error
    width = 1 + dimension + dimension * (dimension + 1) // 2
    if table.dtype != np.float64 or table.shape[1] != width or not 1 <= len(table) <= MOST_COMPONENTS:
        expected = f"float64 (1 to {MOST_COMPONENTS}, {width})"
        raise BaseInvalid(f"{BASE_NAME} holds {table.dtype} {table.shape}; expected {expected}")
    if not np.isfinite(table).all():
        raise BaseInvalid(f"{BASE_NAME} holds a value that is not finite")
    weights, means = table[:, 0].astype(np.float64), table[:, 1 : 1 + dimension].astype(np.float64)
    factors = np.zeros((len(table), dimension, dimension))
    factors[:, *np.tril_indices(dimension)] = table[:, 1 + dimension :]
    if not ((weights > 0).all() and abs(math.fsum(weights) - 1) <= SUM_TOLERANCE):
        raise BaseInvalid(f"{BASE_NAME}: the weights are not positive, or their sum {math.fsum(weights):.10g} is not 1")
    spread = np.diagonal(factors, axis1=1, axis2=2)
    if not ((spread >= SMALLEST).all() and max(np.abs(factors).max(), np.abs(means).max()) <= LARGEST):
        raise BaseInvalid(f"{BASE_NAME}: a component has a spread below {SMALLEST:g}, or a number above {LARGEST:g}")
    mixture = GaussianMixture.of(weights, means, factors)
    if not np.isfinite(mixture.inverse_factors).all():
        raise BaseInvalid(f"{BASE_NAME}: the covariance of a component has no inverse in float64")
    return mixture
