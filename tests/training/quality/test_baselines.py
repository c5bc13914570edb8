"""The Gaussian is the closed form, the mixture is never worse on validation rows, and both work on hard tables."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from diffeo.training.quality.baselines.baselines import Baselines
from diffeo.training.quality.baselines.gaussian import Gaussian
from diffeo.training.quality.baselines.mixture import Mixture, WeightedRows, nll

Array = npt.NDArray[np.float64]

FACTOR = np.array([[2.0, 0.0, 0.0], [0.9, 0.4, 0.0], [-1.0, 0.1, 3.0]])


def normal(count: int, seed: int = 0) -> Array:
    rows: Array = np.array([1e3, -2.0, 0.0]) + np.random.default_rng(seed).standard_normal((count, 3)) @ FACTOR.T
    return rows


def circle(rows: int, seed: int = 0) -> Array:
    generator = np.random.default_rng(seed)
    angle = generator.uniform(0, 2 * np.pi, rows)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.05 * generator.standard_normal((rows, 2))


def test_the_gaussian_is_the_normal_with_the_mean_and_covariance_of_the_rows() -> None:
    rows = normal(400)
    expected = stats.multivariate_normal(rows.mean(axis=0), np.cov(rows, rowvar=False, bias=True)).logpdf(rows)
    fitted = Gaussian.fit(rows)
    assert fitted.shrinkage == 0
    np.testing.assert_allclose(fitted.log_prob(rows), expected, rtol=0, atol=1e-9)


def test_weights_of_whole_numbers_are_repeated_rows() -> None:
    rows = normal(300)
    weights: Array = (np.arange(300) % 4).astype(np.float64)
    repeated = Gaussian.fit(np.repeat(rows, weights.astype(int), axis=0))
    np.testing.assert_allclose(Gaussian.fit(rows, weights).log_prob(rows), repeated.log_prob(rows), atol=1e-9)


def test_few_rows_shrink_the_covariance_and_gain_on_new_rows() -> None:
    generator = np.random.default_rng(0)
    rows, new = generator.standard_normal((30, 20)), generator.standard_normal((1000, 20))
    fitted = Gaussian.fit(rows)
    closed = stats.multivariate_normal(rows.mean(axis=0), np.cov(rows, rowvar=False, bias=True)).logpdf(new)
    assert fitted.shrinkage > 0.1
    assert fitted.log_prob(new).mean() > closed.mean() + 1


@dataclass(frozen=True, slots=True)
class Hard:
    """A table on which a plain covariance fails."""

    rows: Array


HARD = {
    "a column twice": Hard(normal(200)[:, [0, 1, 1]]),
    "a constant column": Hard(np.column_stack([normal(200)[:, 0], np.full(200, 7.0)])),
    "fewer rows than columns": Hard(np.random.default_rng(0).standard_normal((5, 20))),
    "scales from 1e-50 to 1e44": Hard(normal(200) * np.array([1e44, 1e-50, 1.0])),
    "one cell of 1e30": Hard(np.concatenate([normal(200), [[1e30, 0.0, 0.0]]])),
    "one column": Hard(normal(200)[:, :1]),
    "equal rows": Hard(np.ones((50, 3))),
    "one row": Hard(np.ones((1, 2))),
}


@pytest.mark.parametrize("hard", HARD.values(), ids=HARD.keys())
def test_both_baselines_are_finite_on_a_hard_table(hard: Hard) -> None:
    for baseline in Baselines.fit(hard.rows, hard.rows).log_prob(hard.rows):
        assert np.isfinite(baseline.log_prob).all(), baseline.name


def test_the_scale_of_a_column_changes_the_density_by_its_jacobian() -> None:
    rows, factors = normal(500), np.array([1e-3, 1e6, 1.0])
    for here, there in zip(
        Baselines.fit(rows, rows).log_prob(rows),
        Baselines.fit(rows * factors, rows * factors).log_prob(rows * factors),
        strict=True,
    ):
        np.testing.assert_allclose(here.log_prob - np.log(factors).sum(), there.log_prob, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_the_mixture_is_no_worse_than_the_gaussian_on_validation_rows(seed: int) -> None:
    train, validation = normal(120, seed), normal(40, seed + 100)
    gaussian = Gaussian.fit(train)
    best = Mixture.best(gaussian, WeightedRows(train), WeightedRows(validation), seed)
    assert best.validation_nll <= nll(gaussian, WeightedRows(validation))


def test_a_circle_takes_a_mixture_of_many() -> None:
    baselines = Baselines.fit(circle(4000), circle(1000, 1))
    gaussian, mixture = baselines.log_prob(circle(4000, 2))
    assert mixture.components >= 8
    assert mixture.log_prob.mean() > gaussian.log_prob.mean() + 1


def test_a_mixture_integrates_to_one() -> None:
    mixture = Baselines.fit(circle(2000), circle(500, 1)).mixture
    grid = np.linspace(-2, 2, 401)
    points = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    assert np.exp(mixture.log_prob(points)).sum() * (grid[1] - grid[0]) ** 2 == pytest.approx(1, abs=2e-3)


def test_weights_move_both_baselines_to_the_weighted_law() -> None:
    rows = np.concatenate([normal(2000), normal(2000, 1) + 50.0])
    weights = np.repeat([1.0, 0.0], 2000)
    for weighted, plain in zip(
        Baselines.fit(rows, rows, weights, weights).log_prob(rows[:2000]),
        Baselines.fit(rows[:2000], rows[:2000]).log_prob(rows[:2000]),
        strict=True,
    ):
        assert weighted.log_prob.mean() == pytest.approx(plain.log_prob.mean(), abs=0.05)


def test_the_same_seed_gives_the_same_mixture() -> None:
    first, second = (Baselines.fit(circle(1000), circle(300, 1), seed=3).log_prob(circle(50, 2)) for _ in range(2))
    np.testing.assert_array_equal(first[1].log_prob, second[1].log_prob)


def test_a_log_factor_is_added_to_each_row() -> None:
    rows = normal(100)
    baselines = Baselines.fit(rows, rows)
    factor = np.arange(100.0)
    for with_factor, without in zip(baselines.log_prob(rows, factor), baselines.log_prob(rows), strict=True):
        np.testing.assert_allclose(with_factor.log_prob - without.log_prob, factor, atol=1e-9)
