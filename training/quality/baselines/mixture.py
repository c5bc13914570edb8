"""`Mixture`: the mixture of Gaussians with full covariances whose validation rows have the largest likelihood."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol, Self

import numpy as np
import numpy.typing as npt

from diffeo.bundle.mixture import GaussianMixture

from ...background import in_background
from ..thinning import effective_rows, resampled, thinned
from .components import fit_components
from .cross_validation import best_shape
from .gaussian import Gaussian
from .scaling import Scaling

Array = npt.NDArray[np.float64]

# Two at a time are fitted side by side.
SIZES: Final = (2, 4, 8, 16, 32, 64, 128, 256)
# Two sizes in a row that are no better on validation rows end the search.
WORSE_SIZES: Final = 2
MOST_ROWS: Final = 50_000
# Added to the variances of scaled columns. A table of few rows needs more.
REGULARISATION: Final = 1e-6
REGULARISATION_OF_FEW: Final = 1e-2
# Below it the shape is chosen by cross-validation, not by the validation rows.
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
    mixture: GaussianMixture

    @property
    def components(self) -> int:
        """Gaussians in it."""
        return len(self.mixture.weights)

    def log_prob(self, x: Array) -> Array:
        """Log density of the rows x [n, D], nats: log sum_k weight_k N(u; mean_k, covariance_k) - sum log scale."""
        log_prob: Array = self.mixture.log_prob(self.scaling.forward(x)) + self.scaling.log_abs_det
        return log_prob


@dataclass(frozen=True, slots=True)
class Mixture:
    """The best mixture.

    Attributes:
        components: Gaussians in it.
        density: computes its log density.
        validation_nll: its loss on the validation rows, nats per row.
        regularisation: added to the variances of its scaled columns.
        is_clearly_better: by cross-validation of a table of few rows it leads one Gaussian by more than the standard
            error.
    """

    components: int
    density: Density
    validation_nll: float
    regularisation: float = REGULARISATION
    is_clearly_better: bool = False

    @classmethod
    def best(
        cls,
        gaussian: Gaussian,
        train: WeightedRows,
        validation: WeightedRows,
        seed: int = 0,
        effort: float = 1.0,
    ) -> Self:
        """The mixture of 1, 2, 4, ... 256 components with the smallest loss on the validation rows.

        One component is the given Gaussian, so the best mixture is no worse than it on the validation rows. A size is
        fitted by expectation and maximisation to at most 50,000 rows, and to fewer where they would take too long.
        A table of fewer than 2,000 rows without weights has the mixture with the smallest loss by cross-validation.

        Args:
            gaussian: the Gaussian of the same training rows.
            train: training rows; those with weights are resampled.
            validation: rows that choose the size.
            seed: of the start of each fit and of the chosen rows.
            effort: factor on the work that each size may take.
        """
        if len(train.rows) < FEW_ROWS and train.weights is None:
            return cls._by_cross_validation(gaussian, train.rows, validation, seed)
        best = cls(1, gaussian, nll(gaussian, validation))
        worse = 0
        for density in _fitted(train, seed, effort):
            loss = nll(density, validation)
            if loss < best.validation_nll:
                best, worse = cls(density.components, density, loss), 0
            else:
                worse += 1
            if worse == WORSE_SIZES:
                break
        return best

    @classmethod
    def _by_cross_validation(cls, gaussian: Gaussian, rows: Array, validation: WeightedRows, seed: int) -> Self:
        shape = best_shape(rows, seed)
        scaling = Scaling.of(rows)
        fitted = None
        if shape is not None:
            fitted = fit_components(scaling.forward(rows), shape.components, shape.regularisation, seed)
        if shape is None or fitted is None:
            return cls(1, gaussian, nll(gaussian, validation))
        density = ScaledMixture(scaling, fitted)
        return cls(density.components, density, nll(density, validation), shape.regularisation, shape.is_clear)

    def log_prob(self, x: Array) -> Array:
        """Log density of the rows x [n, D], nats."""
        return self.density.log_prob(x)


def nll(density: Density, of: WeightedRows) -> float:
    """Weighted mean of -log p over the rows, nats."""
    return -float(np.average(density.log_prob(of.rows), weights=of.weights))


def _fitted(train: WeightedRows, seed: int, effort: float) -> Iterator[ScaledMixture]:
    import sklearn.cluster  # noqa: F401, PLC0415  (a slow import, once for all processes)

    rows, dimension = train.rows.shape
    if train.weights is None:
        chosen = thinned(rows, MOST_ROWS, seed)
    else:
        chosen = resampled(train.weights, min(rows, MOST_ROWS), seed)
    # Resampled rows repeat; a repeated row tells nothing new.
    count = effective_rows(train.weights, rows)
    scaling = Scaling.of(train.rows[chosen])
    u = scaling.forward(train.rows[chosen])
    regularisation = REGULARISATION if count >= FEW_ROWS else REGULARISATION_OF_FEW
    # A component needs more rows than it has columns.
    sizes = [size for size in SIZES if count >= 2 * size * (dimension + 1)]
    for pair in zip(sizes[::2], [*sizes[1::2], 0], strict=False):
        for mixture in _side_by_side(pair, u, regularisation, seed, effort):
            if mixture is None:
                return
            yield ScaledMixture(scaling, mixture)


def _side_by_side(
    pair: tuple[int, int], u: Array, regularisation: float, seed: int, effort: float
) -> Iterator[GaussianMixture | None]:
    """Mixtures of both numbers of components, the second in another process; a number of 0 has none."""
    first, second = pair
    if not second:
        yield fit_components(u, first, regularisation, seed, effort=effort)
        return
    with in_background(lambda: fit_components(u, second, regularisation, seed, effort=effort)) as later:
        yield fit_components(u, first, regularisation, seed, effort=effort)
        yield later()
