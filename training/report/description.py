"""Describes a fit in the manifest: its calibration, its provenance, and KL to the truth where that is known."""

import datetime as dt
import importlib.metadata
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from diffeo.bundle.manifest import Calibration, Provenance

from .. import source
from ..recipe import Recipe
from ..source import Dataset

Array = npt.NDArray[np.float64]

FRESH_ROWS: Final = 50_000
LEVELS: Final = (0.0, 0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)


def kl_to_truth(dataset: Dataset, log_prob: Callable[[Array], Array], recipe: Recipe) -> float | None:
    """KL(truth || model) in nats: the mean of log p_true - log p_model over 50,000 fresh points; None for a file."""
    if dataset.target is None:
        return None
    fresh = dataset.target.draw(FRESH_ROWS, source.stream(recipe.fit.seed, "fresh points"))
    return float((dataset.target.log_prob(fresh) - log_prob(fresh)).mean())


def calibration(log_prob: Array, weights: Array | None = None) -> Calibration:
    """Quantiles of the log_prob [rows] of the held-out rows, nats, weighted by weights [rows] if given."""
    if weights is None:
        values = np.quantile(log_prob, LEVELS)
    else:  # NumPy has weights for this method alone
        values = np.quantile(log_prob, LEVELS, weights=weights, method="inverted_cdf")
    quantiles = tuple(float(value) for value in values)
    return Calibration(rows=len(log_prob), levels=LEVELS, log_prob=quantiles)


def provenance(recipe: Recipe, dataset: Dataset, parameters: int, test_nll: float, kl: float | None) -> Provenance:
    """Recipe, data, versions and losses of a fit, for the manifest."""
    packages = ("diffeo", "torch", "onnx", "onnxscript", "numpy")
    return Provenance(
        name=recipe.name,
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        recipe=recipe.flat(),
        data_sha256=dataset.sha256,
        data_rows=dataset.rows,
        versions={name: importlib.metadata.version(name).split("+")[0] for name in packages},
        parameters=parameters,
        test_rows=len(dataset.split.test_rows),
        test_nll=test_nll,
        kl_to_truth=kl,
    )
