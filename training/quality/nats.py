"""Losses of models on held-out rows with standard errors, and by how much one model leads another."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from diffeo.bundle.schema.quality import BaselineScore, ModelScore

from .baselines.baselines import BaselineLogProb
from .rounding import rounded

Array = npt.NDArray[np.float64]


def model_score(log_prob: Array, weights: Array | None = None) -> ModelScore:
    """The loss of log densities [n]: the weighted mean of -log p, nats per row.

    Rows without a finite log density, such as rows outside of the bounds of a column, are counted and left out.

    Raises:
        ValueError: no row has a finite log density.
    """
    finite = np.isfinite(log_prob)
    if not finite.any():
        raise ValueError(f"none of {len(log_prob)} held-out rows has a finite log_prob; check the rows and the model")
    mean, error = mean_and_error(-log_prob[finite], None if weights is None else weights[finite])
    undefined = int((~finite).sum())
    return ModelScore(nll=rounded(mean), standard_error=rounded(error), rows_without_density=undefined)


def baseline_scores(
    model: Array, baselines: Sequence[BaselineLogProb], weights: Array | None = None
) -> tuple[BaselineScore, ...]:
    """The losses of the baselines on the rows that have a finite log density under the model, [n]."""
    finite = np.isfinite(model)
    kept = None if weights is None else weights[finite]
    return tuple(
        _baseline_score(model[finite], replace(each, log_prob=each.log_prob[finite]), kept) for each in baselines
    )


def _baseline_score(model: Array, baseline: BaselineLogProb, weights: Array | None) -> BaselineScore:
    nll, error = mean_and_error(-baseline.log_prob, weights)
    # By row: most of the spread of log p is the same for both models and cancels.
    lead, lead_error = mean_and_error(model - baseline.log_prob, weights)
    return BaselineScore(
        name=baseline.name,
        components=baseline.components,
        nll=rounded(nll),
        standard_error=rounded(error),
        lead=rounded(lead),
        lead_standard_error=rounded(lead_error),
    )


def mean_and_error(values: Array, weights: Array | None = None) -> tuple[float, float]:
    """The weighted mean of values [n] and its standard error.

        mean = sum w x / sum w,    error^2 = sum w^2 (x - mean)^2 / (sum w)^2

    Reference: Owen (2013), Monte Carlo theory, methods and examples, eq. 9.8.

    >>> mean_and_error(np.array([1.0, 3.0, 1.0, 3.0]))
    (2.0, 0.5)
    """
    share = np.full(len(values), 1 / len(values)) if weights is None else weights / weights.sum()
    mean = float(share @ values)
    return mean, float(np.sqrt(np.square(share * (values - mean)).sum()))
