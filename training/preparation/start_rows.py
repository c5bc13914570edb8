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


def start_numbers(dataset: Dataset, seed: int) -> Numbers:
    """Numbers of the training rows that start a flow; with weights they follow the weighted law."""
    numbers = dataset.split.train_rows
    weights = dataset.split.weights_of(numbers)
    if weights is not None:
        numbers = numbers[resampled(weights, min(START_ROWS, len(numbers)), seed)]
    return _spaced(numbers, START_ROWS)


def start_rows(dataset: Dataset, seed: int) -> Array:
    """The rows that start a flow [n, D], as the graphs take them."""
    return dataset.drawn(start_numbers(dataset, seed), stream(seed, "places of the start"))


def fit_baselines(dataset: Dataset, seed: int) -> Baselines:
    """One Gaussian and the best mixture, fitted to at most BASELINE_ROWS training rows as the graphs take them."""
    split = dataset.split
    numbers = _spaced(split.train_rows, BASELINE_ROWS)
    validation_weights = split.weights_of(split.validation_rows)
    return Baselines.fit(
        dataset.drawn(numbers, stream(seed, "places of the baselines")),
        dataset.drawn_often(split.validation_rows, seed, VALIDATION_PLACES),
        split.weights_of(numbers),
        None if validation_weights is None else np.tile(validation_weights, dataset.draws),
        seed,
    )


def _spaced(numbers: Numbers, most: int) -> Numbers:
    """At most so many of the row numbers, evenly spaced; a split has them in random order."""
    return numbers[:: -(-len(numbers) // most)]
