"""Chooses the mixture of a table of few rows by cross-validation: its components and its regularisation.

A tenth of a hundred rows ranks two models by chance. Cross-validation judges every training row by models that have not
seen it, so it can tell a mixture from one Gaussian with few rows.

Reference: Smyth (2000), Model selection for probabilistic clustering using cross-validated likelihood,
doi:10.1023/A:1008940618127.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from .components import fit_components
from .gaussian import Gaussian
from .scaling import Scaling

Array = npt.NDArray[np.float64]

FOLDS: Final = 5
SIZES: Final = (2, 3, 4, 6, 8, 12, 16)
# Added to the variances of scaled columns; the largest first, because it is right for the fewest rows.
REGULARISATIONS: Final = (1e-1, 1e-2, 1e-3)
MOST_ITERATIONS: Final = 30


@dataclass(frozen=True, slots=True)
class MixtureShape:
    """The shape of a mixture, and how it compares with one Gaussian.

    Attributes:
        components: Gaussians in it.
        regularisation: of their covariances.
        lead: mean of log p less that of one Gaussian over the rows, each by models that have not seen it. Nats.
        standard_error: of the lead.
    """

    components: int
    regularisation: float
    lead: float
    standard_error: float

    @property
    def is_clear(self) -> bool:
        """It leads by more than the standard error."""
        return self.lead > self.standard_error


def best_shape(rows: Array, seed: int) -> MixtureShape | None:
    """The shape with the largest lead over one Gaussian; None if no shape leads.

    For each regularisation, sizes are tried upwards until one is worse than the size before.

    >>> generator = np.random.default_rng(0)
    >>> rows = generator.normal(size=(150, 2)) + 6 * generator.integers(0, 3, (150, 1))
    >>> shape = best_shape(rows, seed=0)
    >>> shape.components, shape.is_clear
    (3, True)

    Args:
        rows: training rows [n, D].
        seed: of the folds and of each fit.
    """
    fold_of = np.random.default_rng(seed).permutation(len(rows)) % FOLDS
    gaussian = np.empty(len(rows))
    for fold in range(FOLDS):
        held_out = fold_of == fold
        if held_out.all() or not held_out.any():
            return None
        gaussian[held_out] = Gaussian.fit(rows[~held_out]).log_prob(rows[held_out])
    shapes = [shape for value in REGULARISATIONS for shape in _sizes(rows, fold_of, gaussian, value, seed)]
    best = max(shapes, key=lambda shape: shape.lead, default=None)
    return best if best is not None and best.lead > 0 else None


def _sizes(
    rows: Array, fold_of: npt.NDArray[np.int64], gaussian: Array, regularisation: float, seed: int
) -> Iterator[MixtureShape]:
    best = -np.inf
    for components in SIZES:
        log_prob = _log_prob(rows, fold_of, components, regularisation, seed)
        if log_prob is None:
            return
        difference = log_prob - gaussian
        lead, error = float(difference.mean()), float(difference.std() / np.sqrt(len(rows)))
        yield MixtureShape(components, regularisation, lead, error)
        if lead < best:
            return
        best = lead


def _log_prob(
    rows: Array, fold_of: npt.NDArray[np.int64], components: int, regularisation: float, seed: int
) -> Array | None:
    """Log densities [n], each by a mixture of the other folds; None if such a mixture cannot be fitted."""
    log_prob = np.empty(len(rows))
    for fold in range(FOLDS):
        held_out = fold_of == fold
        scaling = Scaling.of(rows[~held_out])
        mixture = fit_components(
            scaling.forward(rows[~held_out]), components, regularisation, seed, most_iterations=MOST_ITERATIONS
        )
        if mixture is None:
            return None
        log_prob[held_out] = mixture.log_prob(scaling.forward(rows[held_out])) + scaling.log_abs_det
    return log_prob
