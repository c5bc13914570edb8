"""The training rows that start a flow, and the baselines that are fitted to them."""

from typing import Final

import numpy as np

from ..quality.baselines.baselines import Baselines
from ..quality.thinning import resampled
from ..source import Array, Dataset, stream
from ..split import Numbers

# More rows would move quantiles and covariances by less than a fit does.
START_ROWS: Final = 200_000
BASELINE_ROWS: Final = 500_000
VALIDATION_PLACES: Final = "places of the validation rows"
# Seconds of a budget for which the mixtures take their usual work; and the least and the most of it.
USUAL_BUDGET: Final = 180.0
LEAST_EFFORT: Final = 0.1
MOST_EFFORT: Final = 3.0


def start_numbers(dataset: Dataset, seed: int) -> Numbers:
    """Numbers of the training rows that start a flow; with weights they follow the weighted law."""
    numbers = dataset.split.train_rows
    weights = dataset.split.weights_of(numbers)
    if weights is not None:
        numbers = numbers[resampled(weights, min(START_ROWS, len(numbers)), seed)]
    return _spaced(numbers, START_ROWS)


def start_rows(dataset: Dataset, seed: int) -> Array:
    """The rows that start a flow [n, D], as the graphs take them."""
    return dataset.drawn_for_training(start_numbers(dataset, seed), stream(seed, "places of the start"))


def fit_baselines(dataset: Dataset, seed: int, budget: float | None = None) -> Baselines:
    """One Gaussian and the best mixture, fitted to at most BASELINE_ROWS training rows as the graphs take them.

    Args:
        dataset: its training rows are fitted, and its validation rows choose.
        seed: of the fit.
        budget: seconds for the whole fit; the mixtures take a part of them.
    """
    split = dataset.split
    numbers = _spaced(split.train_rows, BASELINE_ROWS)
    validation_weights = split.weights_of(split.validation_rows)
    return Baselines.fit(
        dataset.drawn_for_training(numbers, stream(seed, "places of the baselines")),
        dataset.drawn_often(split.validation_rows, seed, VALIDATION_PLACES),
        split.weights_of(numbers),
        None if validation_weights is None else np.tile(validation_weights, dataset.draws),
        seed,
        effort_for(budget),
    )


def effort_for(budget: float | None) -> float:
    """The work of the mixtures, as a factor.

    >>> [effort_for(budget) for budget in (None, 90.0, 600.0)]
    [1.0, 0.5, 3.0]
    """
    if budget is None:
        return 1.0
    return min(MOST_EFFORT, max(LEAST_EFFORT, budget / USUAL_BUDGET))


def _spaced(numbers: Numbers, most: int) -> Numbers:
    """At most so many of the row numbers, evenly spaced; a split has them in random order."""
    return numbers[:: -(-len(numbers) // most)]
