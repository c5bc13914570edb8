"""Fits a mixture of a given number of Gaussians by expectation and maximisation, within limits of work."""

import warnings
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

Array = npt.NDArray[np.float64]

LEAST_ROWS: Final = 1_000
MOST_ITERATIONS: Final = 100
LEAST_ITERATIONS: Final = 15
# Multiplications that one size may take: one or two seconds on one core. A limit in work, not in seconds, gives the
# same mixture on every machine.
WORK: Final = 4e9
# Multiplications of one row and one component beside the 2 D^2 of its covariance.
WORK_BESIDE: Final = 150


def fit_components(
    u: Array, components: int, regularisation: float, seed: int, *, most_iterations: int = MOST_ITERATIONS
) -> "GaussianMixture | None":
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
    iterations = int(min(most_iterations, max(LEAST_ITERATIONS, WORK / (len(rows) * work_of_row))))
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
