"""`Mixture`: the mixture of Gaussians with full covariances whose validation rows have the largest likelihood."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, Self

import numpy as np
import numpy.typing as npt

from ..thinning import resampled, thinned
from .gaussian import Gaussian
from .scaling import Scaling

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

Array = npt.NDArray[np.float64]

SIZES: Final = (2, 4, 8, 16, 32, 64)
# Two sizes in a row that are no better on validation rows end the search.
WORSE_SIZES: Final = 2
MOST_ROWS: Final = 50_000
LEAST_ROWS: Final = 1_000
MOST_ITERATIONS: Final = 100
LEAST_ITERATIONS: Final = 15
# Multiplications that one size may take: one or two seconds on one core. A limit in work, not in seconds, gives the
# same mixture on every machine.
WORK: Final = 4e9
# Multiplications of one row and one component beside the 2 D^2 of its covariance.
WORK_BESIDE: Final = 150
# Added to the variances of scaled columns. A table of few rows needs more.
REGULARISATION: Final = 1e-6
REGULARISATION_OF_FEW: Final = 1e-2
FEW_ROWS: Final = 2_000


class Density(Protocol):
    """A model with a log density."""

    def log_prob(self, x: Array) -> Array:
        """Log density of the rows x [n, D], nats."""


@dataclass(frozen=True, slots=True)
class WeightedRows:
    """Rows [n, D] with their importance weights [n]; None means equal weights."""

    rows: Array
    weights: Array | None = None


@dataclass(frozen=True, slots=True)
class ScaledMixture:
    """A mixture of scaled rows u = (x - centre) / scale."""

    scaling: Scaling
    mixture: "GaussianMixture"

    def log_prob(self, x: Array) -> Array:
        """Log density of the rows x [n, D], nats: log sum_k weight_k N(u; mean_k, covariance_k) - sum log scale."""
        log_prob: Array = self.mixture.score_samples(self.scaling.forward(x)) + self.scaling.log_abs_det
        return log_prob


@dataclass(frozen=True, slots=True)
class Mixture:
    """The best mixture.

    Attributes:
        components: Gaussians in it.
        density: computes its log density.
        validation_nll: its loss on the validation rows, nats per row.
    """

    components: int
    density: Density
    validation_nll: float

    @classmethod
    def best(
        cls,
        gaussian: Gaussian,
        train: WeightedRows,
        validation: WeightedRows,
        seed: int = 0,
    ) -> Self:
        """The mixture of 1, 2, 4, ... 64 components with the smallest loss on the validation rows.

        One component is the given Gaussian, so the best mixture is no worse than it on the validation rows. A size is
        fitted by expectation and maximisation to at most 50,000 rows, and to fewer where a step would take too long.

        Args:
            gaussian: the Gaussian of the same training rows.
            train: training rows; those with weights are resampled.
            validation: rows that choose the size.
            seed: of the start of each fit and of the chosen rows.
        """
        best = cls(1, gaussian, nll(gaussian, validation))
        worse = 0
        for components, density in _fitted(train, seed):
            loss = nll(density, validation)
            if loss < best.validation_nll:
                best, worse = cls(components, density, loss), 0
            else:
                worse += 1
            if worse == WORSE_SIZES:
                break
        return best

    def log_prob(self, x: Array) -> Array:
        """Log density of the rows x [n, D], nats."""
        return self.density.log_prob(x)


def nll(density: Density, of: WeightedRows) -> float:
    """Weighted mean of -log p over the rows, nats."""
    return -float(np.average(density.log_prob(of.rows), weights=of.weights))


def _fitted(train: WeightedRows, seed: int) -> Iterator[tuple[int, ScaledMixture]]:
    count, dimension = train.rows.shape
    if train.weights is None:
        chosen = thinned(count, MOST_ROWS, seed)
    else:
        chosen = resampled(train.weights, min(count, MOST_ROWS), seed)
    scaling = Scaling.of(train.rows[chosen])
    u = scaling.forward(train.rows[chosen])
    regularisation = REGULARISATION if count >= FEW_ROWS else REGULARISATION_OF_FEW
    for components in SIZES:
        # A component needs more rows than it has columns.
        if count < 2 * components * (dimension + 1):
            return
        mixture = fit_components(u, components, regularisation, seed)
        if mixture is None:
            return
        yield components, ScaledMixture(scaling, mixture)


def fit_components(u: Array, components: int, regularisation: float, seed: int) -> "GaussianMixture | None":
    """A mixture of the scaled rows [n, D] by expectation and maximisation, in one or two seconds.

    Many columns or components take fewer rows and fewer iterations. None if the rows are too few, or if a covariance
    cannot be inverted.
    """
    from sklearn.mixture import GaussianMixture  # noqa: PLC0415  (a slow import)
    from threadpoolctl import threadpool_limits  # noqa: PLC0415  (comes with scikit-learn)

    work_of_row = components * (2 * u.shape[1] ** 2 + WORK_BESIDE)
    rows = u[: max(LEAST_ROWS, int(WORK / (LEAST_ITERATIONS * work_of_row)))]
    if len(rows) < 2 * components * (u.shape[1] + 1):
        return None
    iterations = int(min(MOST_ITERATIONS, max(LEAST_ITERATIONS, WORK / (len(rows) * work_of_row))))
    mixture = GaussianMixture(
        components,
        reg_covar=regularisation,
        max_iter=iterations,
        init_params="k-means++",
        random_state=seed,
    )
    # The products are small. On a machine that other processes use, two threads were 20 times slower than one.
    with warnings.catch_warnings(), threadpool_limits(1):
        # A fit that has not converged is a density like any other, and the validation rows judge it.
        warnings.simplefilter("ignore")
        try:
            return mixture.fit(rows)
        except ValueError:
            return None
