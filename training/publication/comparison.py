"""`Comparison`: a model beside its data, with the arrays that the report of the fit shows."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from diffeo.bundle.schema.quality import Quality

from ..quality.baselines.baselines import Baselines
from ..quality.measure import measure
from ..source import Dataset
from .whole_model import WholeModel

Array = npt.NDArray[np.float64]

# The checks of a few held-out rows take more samples, which cost nothing.
LEAST_SAMPLES: Final = 2_000
# Columns with at most so many distinct values are compared value by value.
FEW_VALUES: Final = 50


@dataclass(frozen=True, slots=True)
class Comparison:
    """A model beside its data.

    Attributes:
        quality: losses and checks.
        held_out: test rows [m, D], in the user's units.
        samples: rows of the model [k, D].
        log_prob_held_out: log density of the test rows [m], nats; NaN for a row of density zero.
        log_prob_samples: log density of the samples [k], nats.
    """

    quality: Quality
    held_out: Array
    samples: Array
    log_prob_held_out: Array
    log_prob_samples: Array


def compare(model: WholeModel, dataset: Dataset, baselines: Baselines, seed: int) -> Comparison:
    """Compare a model with the test rows of its data.

    The losses of rows with atoms and whole numbers are those at random places of their intervals, which are no lower
    than the losses of their masses: the middle of an interval would flatter a density that is high there alone.
    """
    held_out = dataset.split.test
    samples = model.sample(max(2 * len(held_out), LEAST_SAMPLES), seed)
    samples = samples[np.isfinite(samples).all(axis=1)]
    numbers = dataset.split.test_rows
    inputs = dataset.drawn_often(numbers, seed, "places of the test rows")
    log_factor = dataset.log_factor(numbers, inputs)
    quality = measure(
        dataset.split.train,
        held_out,
        samples,
        _by_row(model.inputs_log_prob(inputs) + log_factor, len(numbers)),
        model.normal_scores_of_inputs(inputs[: len(numbers)]),
        dataset.columns,
        weights=dataset.split.weights_of(numbers),
        is_discrete=_is_discrete(dataset, held_out),
        baselines=[
            replace(each, log_prob=_by_row(each.log_prob, len(numbers)))
            for each in baselines.log_prob(inputs, log_factor)
        ],
        seed=seed,
    )
    return Comparison(quality, held_out, samples, model.log_prob(held_out), model.log_prob(samples))


def _by_row(log_prob: Array, rows: int) -> Array:
    """The mean over the draws of each row: [draws * rows] -> [rows]."""
    means: Array = log_prob.reshape(-1, rows).mean(axis=0)
    return means


def _is_discrete(dataset: Dataset, held_out: Array) -> list[bool]:
    kinds = [dataset.kinds.get(name) for name in dataset.columns]
    return [
        (kind is not None and kind.integer) or len(np.unique(values)) <= FEW_VALUES < len(values)
        for kind, values in zip(kinds, held_out.T, strict=True)
    ]
