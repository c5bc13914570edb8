"""Row i of a draw depends only on (seed, i), and rows follow the standard normal distribution."""

import doctest
import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from diffeo.bundle import base

SEEDS = st.integers(0, base.SEED_LIMIT - 1)
STARTS = st.integers(0, 2**40)
DIMENSIONS = st.integers(1, 9)


@given(seed=SEEDS, start=STARTS, dimension=DIMENSIONS, sizes=st.lists(st.integers(0, 40), min_size=1, max_size=6))
def test_any_split_of_a_range_gives_the_same_bits(seed: int, start: int, dimension: int, sizes: list[int]) -> None:
    whole = base.draw(seed, start, sum(sizes), dimension)
    begins = start + np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(int)
    parts = [base.draw(seed, int(begin), size, dimension) for begin, size in zip(begins, sizes, strict=True)]
    assert np.concatenate(parts).tobytes() == whole.tobytes()


@given(seed=SEEDS, start=STARTS, dimension=DIMENSIONS)
def test_a_row_follows_the_documented_formula(seed: int, start: int, dimension: int) -> None:
    blocks = -(-dimension // 4)
    words = np.random.Philox(key=seed, counter=start * blocks).random_raw(4 * blocks)[:dimension]
    uniform = ((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    assert np.array_equal(base.draw(seed, start, 1, dimension)[0], stats.norm.ppf(uniform).astype(np.float32))


def test_the_bits_are_the_same_on_every_machine() -> None:
    rows = base.draw(7, 0, 10_000, 3)
    digest = hashlib.sha256(rows.astype("<f4").tobytes()).hexdigest()
    assert digest == "b2932d85b0a024b5938e24f30f1b8b5e6594194274e658daea55ea32de2dcde0"


@pytest.mark.parametrize(("seed", "start"), [(0, 0), (2**53 - 1, 0), (0, 2**53 - 1), (1, 2**52)])
def test_the_limits_of_seed_and_start_draw_finite_rows(seed: int, start: int) -> None:
    assert np.isfinite(base.draw(seed, start, 1000, 5)).all()


def test_different_seeds_and_rows_differ() -> None:
    rows = np.concatenate([base.draw(seed, 0, 5000, 2) for seed in (0, 1, 2**32)])
    assert len(np.unique(rows, axis=0)) == len(rows)


def test_rows_follow_the_standard_normal() -> None:
    rows = base.draw(11, 0, 50_000, 4).astype(np.float64)
    assert min(stats.kstest(rows[:, k], "norm").pvalue for k in range(4)) > 1e-3
    assert np.abs(np.corrcoef(rows.T) - np.eye(4)).max() < 0.02


@given(seed=SEEDS, temperature=st.floats(0.1, 10))
def test_temperature_scales_rows_and_their_density(seed: int, temperature: float) -> None:
    z = base.draw(seed, 0, 50, 3, temperature).astype(np.float64)
    plain = base.draw(seed, 0, 50, 3).astype(np.float64)
    np.testing.assert_allclose(z, temperature * plain, rtol=1e-6)
    expected = stats.norm.logpdf(z, scale=temperature).sum(axis=1)
    np.testing.assert_allclose(base.log_prob(z, temperature), expected, rtol=1e-12)


@given(seed=SEEDS, temperature=st.floats(0.1, 10))
def test_temperature_changes_the_density_only_through_the_base_distribution(seed: int, temperature: float) -> None:
    z = base.draw(seed, 0, 50, 3, temperature)
    log_abs_det_jacobian = np.linspace(-3, 3, 50).astype(np.float32)
    got = base.tempered(
        base.StandardNormal(3), (base.log_prob(z) + log_abs_det_jacobian).astype(np.float32), z, temperature
    )
    expected = base.log_prob(z, temperature) + log_abs_det_jacobian
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def test_the_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(base) == (0, 1)


@pytest.mark.parametrize("temperature", [1e-100, 1e-170, 5e-324])
def test_a_tiny_temperature_draws_rows_of_finite_density(temperature: float) -> None:
    # Warnings are errors here: 0 / 0 would be one.
    z = base.draw(7, 0, 4, 2, temperature)
    assert np.isfinite(base.log_prob(z, temperature)).all()
