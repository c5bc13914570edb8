"""Measures the error of the log mass: a model takes the density at the middle of an interval for its integral."""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp
from scipy.stats import qmc

from diffeo.bundle.manifest import MassError
from diffeo.runtime.column_map import ColumnMap

Array = npt.NDArray[np.float64]

ROWS: Final = 200
PLACES: Final = 256  # a power of two, as a Sobol' sequence needs


def measure_mass_error(log_prob: Callable[[Array], Array], column_map: ColumnMap, x: Array, seed: int) -> MassError:
    """|log mass as served - log of the integral over the intervals of the row|: its mean and 99th percentile, nats.

        log integral = log mean over places u of p(y(x, u)) dy/ds + sum of log widths

    The places u fill the unit cube evenly, so the error of the integral is far below that of the middle.

    Args:
        log_prob: log density of y [n, D] under the graphs.
        column_map: x to y; it has atoms or whole numbers.
        x: supported rows [n, D]; at most 200 of them are measured.
        seed: of the places.

    Reference: Owen (1998), Scrambling Sobol' and Niederreiter-Xing points, doi:10.1006/jcom.1998.0487.
    """
    rows = x[:ROWS]
    places = qmc.Sobol(rows.shape[1], rng=np.random.default_rng(seed)).random(PLACES)
    errors = np.empty(len(rows))
    for index, row in enumerate(rows):
        middle = column_map.encode(row[None]).y
        spread = column_map.training_rows(np.repeat(row[None], PLACES, axis=0), places)
        both = np.concatenate([middle, spread])
        log_density = log_prob(both) + column_map.log_slope(both)
        errors[index] = abs(log_density[0] - (logsumexp(log_density[1:]) - np.log(PLACES)))
    return MassError(mean=float(errors.mean()), p99=float(np.quantile(errors, 0.99)), rows=len(rows))
