"""Fits a mixture of a given number of Gaussians by expectation and maximisation, within a limit of work.

A row x enters as its products phi(x) = (1, x_1 .. x_D, x_i x_j for i <= j). The logarithm of a weighted Gaussian is
linear in them, and its weight, mean and covariance follow from the sums of the products weighted by responsibilities.
So both halves of an iteration are one matrix product each for all components together, in place of a loop over
components. A mixture of a hundred components is worth as much as the rows and the iterations that it gets.

Reference: Dempster, Laird and Rubin (1977), Maximum likelihood from incomplete data via the EM algorithm, sec. 4.3.
"""

import math
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from diffeo.bundle.mixture import GaussianMixture

Array = npt.NDArray[np.float64]

MOST_ITERATIONS: Final = 40
LEAST_ITERATIONS: Final = 8
# Multiplications that one number of components may take: about two seconds on one core. A limit in work, not in
# seconds, gives the same mixture on every machine.
WORK: Final = 1.6e10
# Multiplications that the responsibility of one component for one row takes beside the products.
WORK_BESIDE: Final = 100
# The mean of log p grows by less in an iteration: the mixture has converged.
CONVERGED: Final = 5e-4
# Numbers of a block of responsibilities: it stays in the cache of a core.
BLOCK: Final = 2**18
# Starts that are tried, the iterations of each, and its rows: at least, and for each component.
STARTS: Final = 4
FEW_ITERATIONS: Final = 6
LEAST_START_ROWS: Final = 4_000
ROWS_OF_START: Final = 40
# At the start, a covariance counts as many rows of the average covariance as it has columns, times this.
AVERAGE_AT_START: Final = 2
# A component of fewer rows is left out.
LEAST_ROWS: Final = 1.0


def fit_components(  # noqa: PLR0913  (the limits have names)
    u: Array,
    components: int,
    regularisation: float,
    seed: int,
    *,
    most_iterations: int = MOST_ITERATIONS,
    effort: float = 1.0,
) -> GaussianMixture | None:
    """A mixture of the scaled rows [n, D]; None if the rows are too few, or if no covariance can be computed.

    Many columns or components take fewer iterations, then fewer rows.

    >>> generator = np.random.default_rng(0)
    >>> rows = generator.standard_normal((500, 2)) + 9 * generator.integers(0, 2, (500, 1))
    >>> fitted = fit_components(rows, 2, 1e-6, seed=0)
    >>> sorted(abs(fitted.means[:, 0]).round().tolist())
    [0.0, 9.0]

    Args:
        u: scaled rows.
        components: Gaussians; fewer where one is left without rows.
        regularisation: added to the variances, and the least of them in every direction.
        seed: of the first means.
        most_iterations: the algorithm ends earlier where it has converged, or at the limit of work.
        effort: factor on the limit of work.
    """
    work_of_row = components * (2 * _products_count(u.shape[1]) + WORK_BESIDE)
    rows = u[: int(effort * WORK / (LEAST_ITERATIONS * work_of_row))]
    if len(rows) < 2 * components * (u.shape[1] + 1):
        return None
    affordable = effort * WORK / (len(rows) * work_of_row)
    iterations = int(min(most_iterations, max(LEAST_ITERATIONS, affordable)))
    # The products are small. On a machine that other processes use, two threads were 20 times slower than one.
    from threadpoolctl import threadpool_limits  # noqa: PLC0415  (comes with scikit-learn)

    with threadpool_limits(1):
        try:
            start = _best_start(rows, components, regularisation, seed)
            return _iterated(rows, start, regularisation, iterations)[0].mixture()
        except np.linalg.LinAlgError:
            return None  # the rows span too many orders of magnitude


def _best_start(rows: Array, components: int, regularisation: float, seed: int) -> "_Components":
    """The most likely of a few starts, each after a few iterations on some rows.

    The algorithm ends at a local maximum. Often one component covers two clusters there, at a cost of tenths of a nat.
    """
    some = rows[: max(LEAST_START_ROWS, ROWS_OF_START * components)]
    found = [
        _iterated(some, _start(some, components, regularisation, STARTS * seed + start), regularisation, FEW_ITERATIONS)
        for start in range(STARTS)
    ]
    return max(found, key=lambda each: each[1])[0]


def _iterated(rows: Array, parts: "_Components", regularisation: float, iterations: int) -> tuple["_Components", float]:
    """The components after so many iterations, and the mean of log p over the rows before the last one."""
    before = -math.inf
    for _ in range(iterations):
        sums, mean_log_prob = _expectation(rows, parts)
        parts = _Components.of(sums, regularisation)
        if mean_log_prob - before < CONVERGED:
            break
        before = mean_log_prob
    return parts, mean_log_prob


@dataclass(frozen=True, slots=True)
class _Components:
    """Weights [K], means [K, D] and covariances [K, D, D]."""

    weights: Array
    means: Array
    covariances: Array

    @classmethod
    def of(cls, sums: Array, regularisation: float, average: float = 0.0) -> Self:
        """From the weighted sums of the products [K, F].

        weight = N / sum N,    mean = sum r x / N,    covariance = sum r x x^T / N - mean mean^T + regularisation I

        Args:
            sums: of 1, x and the products of x.
            regularisation: as above.
            average: rows of the average covariance that are added to those of each component.
        """
        sums = sums[sums[:, 0] >= LEAST_ROWS]
        counts, dimension = sums[:, :1], _dimension(sums.shape[1])
        means = sums[:, 1 : 1 + dimension] / counts
        first, second = np.triu_indices(dimension)
        covariances = np.empty((len(sums), dimension, dimension))
        covariances[:, first, second] = sums[:, 1 + dimension :] / counts - means[:, first] * means[:, second]
        covariances[:, second, first] = covariances[:, first, second]
        if average:
            share = (counts / (counts + average))[:, :, None]
            within = np.average(covariances, axis=0, weights=counts[:, 0])
            covariances = share * covariances + (1 - share) * within
        # Rounding can make a thin covariance negative in a direction.
        values, vectors = np.linalg.eigh(covariances + regularisation * np.eye(dimension))
        covariances = (vectors * np.maximum(values, regularisation)[:, None]) @ vectors.transpose(0, 2, 1)
        return cls(counts[:, 0] / counts.sum(), means, covariances)

    def mixture(self) -> GaussianMixture:
        """The density."""
        factors = np.asarray(np.linalg.cholesky(self.covariances), dtype=np.float64)
        return GaussianMixture.of(self.weights, self.means, factors)

    def coefficients(self) -> Array:
        """C [F, K], with phi(x) C = log(weight_k N(x; mean_k, covariance_k)).

        log N = -1/2 x^T P x + (P mean)^T x - 1/2 mean^T P mean + 1/2 log det P - D/2 log 2 pi,    P = covariance^-1
        """
        dimension = self.means.shape[1]
        precisions = np.linalg.inv(self.covariances)
        linear = np.einsum("kij,kj->ki", precisions, self.means)
        constant = np.log(self.weights) - 0.5 * np.einsum("ki,ki->k", linear, self.means)
        constant += 0.5 * np.linalg.slogdet(precisions).logabsdet - 0.5 * dimension * math.log(2 * math.pi)
        first, second = np.triu_indices(dimension)
        quadratic = precisions[:, first, second] * np.where(first == second, -0.5, -1.0)
        return np.concatenate([constant[:, None], linear, quadratic], axis=1).T


def _start(rows: Array, components: int, regularisation: float, seed: int) -> _Components:
    """Each row belongs to the nearest of some rows that lie far apart.

    Reference: Arthur and Vassilvitskii (2007), k-means++: the advantages of careful seeding.
    """
    from sklearn.cluster import kmeans_plusplus  # noqa: PLC0415  (a slow import)

    centres, _ = kmeans_plusplus(rows, components, random_state=seed)
    sums = np.zeros((components, _products_count(rows.shape[1])))
    for block in _blocks(rows, components):
        nearest = np.argmin(np.square(centres).sum(axis=1) - 2 * block @ centres.T, axis=1)
        sums += (nearest == np.arange(components)[:, None]).astype(np.float64) @ _products(block)
    return _Components.of(sums, regularisation, average=AVERAGE_AT_START * rows.shape[1])


def _expectation(rows: Array, parts: _Components) -> tuple[Array, float]:
    """The sums of the products weighted by responsibilities [K, F], and the mean of log p over the rows."""
    coefficients = parts.coefficients()
    sums, total = np.zeros(coefficients.T.shape), 0.0
    for block in _blocks(rows, coefficients.shape[1]):
        products = _products(block)
        logits = products @ coefficients
        largest = logits.max(axis=1, keepdims=True)
        shares = np.exp(logits - largest, out=logits)
        total_share = shares.sum(axis=1, keepdims=True)
        sums += (shares / total_share).T @ products
        total += float((largest + np.log(total_share)).sum())
    return sums, float(total / len(rows))


def _blocks(rows: Array, components: int) -> list[Array]:
    size = max(1, BLOCK // components)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _products(rows: Array) -> Array:
    """x [n, D] -> phi(x) [n, F]."""
    first, second = np.triu_indices(rows.shape[1])
    return np.concatenate([np.ones((len(rows), 1)), rows, rows[:, first] * rows[:, second]], axis=1)


def _products_count(dimension: int) -> int:
    """F = 1 + D + D (D + 1) / 2."""
    return 1 + dimension + dimension * (dimension + 1) // 2


def _dimension(products: int) -> int:
    """D of F products.

    >>> [_dimension(_products_count(dimension)) for dimension in (1, 2, 10)]
    [1, 2, 10]
    """
    return (math.isqrt(8 * products + 1) - 3) // 2
