"""The models: each is one entry in `MODELS` with one function that fits it within a number of seconds.

A model gets standardised training and validation rows, takes its best state on the validation rows, and answers with
its log density and its samples in the same units. diffeo gets the rows as they are, and splits them alike.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from benchmarks.quality import peer_flows
from benchmarks.quality.work import Work

Rows = npt.NDArray[np.float64]

SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128)
REGULARISATIONS: Final = (1e-6, 1e-3)
BANDWIDTHS: Final = tuple(0.5 * 0.75**power for power in range(12))
# A bandwidth is chosen with fewer rows: each row is compared with each training row.
BANDWIDTH_ROWS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted model.

    Attributes:
        log_prob: rows [n, D] -> log densities [n], nats.
        sample: n -> rows [n, D].
        about: what was chosen, in words.
        in_user_units: its rows are those of the table, not standardised.
    """

    log_prob: Callable[[Rows], npt.NDArray[np.floating]]
    sample: Callable[[int], npt.NDArray[np.floating]]
    about: str
    in_user_units: bool = False


def mixture(work: Work) -> Fitted:
    """scikit-learn's mixture of full-covariance Gaussians; size and regularisation by validation."""
    fits = (
        (f"{size} components, reg_covar {value:g}", GaussianMixture(size, reg_covar=value, random_state=work.seed))
        for size in SIZES
        for value in REGULARISATIONS
        if 2 * size < len(work.train)
    )
    about, model = _best(work, ((about, model.fit(work.train)) for about, model in fits), work.validation)
    return Fitted(model.score_samples, lambda count: model.sample(count)[0], about)


def kernel_density(work: Work) -> Fitted:
    """scikit-learn's Gaussian kernels; bandwidth by validation."""
    few = work.validation[:BANDWIDTH_ROWS]
    fits = ((f"bandwidth {width:.2g}", KernelDensity(bandwidth=width)) for width in BANDWIDTHS)
    about, model = _best(work, ((about, model.fit(work.train)) for about, model in fits), few)
    return Fitted(model.score_samples, lambda count: model.sample(count, random_state=0), about)


def _best(work: Work, fits: Iterator[tuple[str, Any]], rows: Rows) -> tuple[str, Any]:
    started, best = time.monotonic(), None
    for about, model in fits:
        score = float(model.score_samples(rows).mean())
        if best is None or score > best[0]:
            best = score, about, model
        if time.monotonic() - started > work.seconds:
            break
    assert best is not None  # noqa: S101  (there is at least one)
    return best[1], best[2]


def flow(name: str, recipe: str) -> Callable[[Work], Fitted]:
    """A flow of another library by one of two recipes (`benchmarks.quality.peer_flows`)."""

    def fit(work: Work) -> Fitted:
        model = peer_flows.fit(name, recipe, work)
        return Fitted(model.log_prob, model.sample, model.about)

    return fit


def diffeo_fit(work: Work) -> Fitted:
    """`diffeo.fit` with a budget and no other option."""
    import diffeo  # noqa: PLC0415  (the other models do without its engines)

    started = time.monotonic()
    model = diffeo.fit(work.split.table, budget=f"{work.seconds:g}s", seed=work.seed, quiet=True)
    about = f"{time.monotonic() - started:.0f} s"
    return Fitted(model.log_prob, lambda count: model.sample(count, seed=0), about, in_user_units=True)


MODELS: Final[dict[str, Callable[[Work], Fitted]]] = {
    "diffeo": diffeo_fit,
    "scikit-learn mixture": mixture,
    "scikit-learn KDE": kernel_density,
    "zuko NSF": flow("zuko NSF", "ours"),
    "zuko MAF": flow("zuko MAF", "ours"),
    "nflows NSF-C": flow("nflows NSF-C", "ours"),
    "normflows NSF-C": flow("normflows NSF-C", "ours"),
    "zuko NSF, its recipe": flow("zuko NSF", "theirs"),
    "zuko MAF, its recipe": flow("zuko MAF", "theirs"),
    "nflows NSF-C, its recipe": flow("nflows NSF-C", "theirs"),
    "normflows NSF-C, its recipe": flow("normflows NSF-C", "theirs"),
}
