"""With few rows cross-validation chooses a mixture where there are clusters, and one Gaussian where there are none."""

import numpy as np
import numpy.typing as npt
import pytest

from diffeo.training.quality.baselines.baselines import Baselines
from diffeo.training.quality.baselines.cross_validation import best_shape

Array = npt.NDArray[np.float64]


def clusters(rows: int, seed: int, columns: int = 4) -> Array:
    generator = np.random.default_rng(seed)
    centres = 5 * np.random.default_rng(7).standard_normal((3, columns))
    return centres[generator.integers(0, 3, rows)] + generator.standard_normal((rows, columns))


def normal(rows: int, seed: int) -> Array:
    return np.random.default_rng(seed).standard_normal((rows, 4)) @ np.triu(np.ones((4, 4)))


@pytest.mark.parametrize("seed", range(3))
def test_clusters_of_few_rows_give_a_mixture_that_is_better_on_new_rows(seed: int) -> None:
    baselines = Baselines.fit(clusters(120, seed), clusters(15, seed + 10), seed=seed)
    gaussian, mixture = baselines.log_prob(clusters(4000, seed + 20))
    assert baselines.mixture.is_clearly_better
    assert mixture.log_prob.mean() > gaussian.log_prob.mean() + 0.5


@pytest.mark.parametrize("seed", range(5))
def test_normal_rows_give_no_mixture_that_is_clearly_better(seed: int) -> None:
    baselines = Baselines.fit(normal(120, seed), normal(15, seed + 10), seed=seed)
    gaussian, mixture = baselines.log_prob(normal(4000, seed + 20))
    assert not baselines.mixture.is_clearly_better
    assert mixture.log_prob.mean() > gaussian.log_prob.mean() - 0.1


def test_a_lead_is_that_of_rows_that_a_model_has_not_seen() -> None:
    few, fresh = clusters(150, 0), clusters(5000, 1)
    shape = best_shape(few, seed=0)
    assert shape is not None
    gaussian, mixture = Baselines.fit(few, few, seed=0).log_prob(fresh)
    assert shape.lead == pytest.approx((mixture.log_prob - gaussian.log_prob).mean(), abs=3 * shape.standard_error)


@pytest.mark.parametrize("rows", [1, 3, 6])
def test_a_handful_of_rows_gives_no_shape(rows: int) -> None:
    assert best_shape(normal(rows, 0), seed=0) is None
