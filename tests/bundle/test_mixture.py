"""The mixture as base: row i of a draw depends only on (seed, i), draws follow the density, and base.npy is checked."""

import doctest
import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from diffeo.bundle import base, mixture, npy
from diffeo.bundle.errors import BaseInvalid
from diffeo.bundle.mixture import GaussianMixture

DIMENSION = 3
WEIGHTS = np.array([0.2, 0.5, 0.3])
MEANS = np.array([[0.0, 0.0, 0.0], [3.0, -1.0, 2.0], [-2.0, 4.0, 0.5]])
FACTORS = np.array(
    [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.5, 0.0, 0.0], [0.3, 0.4, 0.0], [-0.1, 0.2, 0.6]],
        [[0.05, 0.0, 0.0], [1.0, 0.7, 0.0], [0.5, -0.5, 0.2]],
    ]
)
MIXTURE = GaussianMixture.of(WEIGHTS, MEANS, FACTORS)


def expected_log_prob(z: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    densities = [
        weight * stats.multivariate_normal(mean, temperature**2 * factor @ factor.T).pdf(z)
        for weight, mean, factor in zip(WEIGHTS, MEANS, FACTORS, strict=True)
    ]
    return np.asarray(np.log(np.sum(densities, axis=0)))


@given(
    seed=st.integers(0, base.SEED_LIMIT - 1),
    start=st.integers(0, 2**40),
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=6),
)
def test_any_split_of_a_range_gives_the_same_bits(seed: int, start: int, sizes: list[int]) -> None:
    whole = MIXTURE.draw(seed, start, sum(sizes))
    begins = start + np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(int)
    parts = [MIXTURE.draw(seed, int(begin), size) for begin, size in zip(begins, sizes, strict=True)]
    assert np.concatenate(parts).tobytes() == whole.tobytes()


@given(seed=st.integers(0, base.SEED_LIMIT - 1), temperature=st.floats(0.1, 10))
def test_a_row_follows_the_documented_formula(seed: int, temperature: float) -> None:
    (uniform,) = base.uniforms(seed, 5, 1, 1 + DIMENSION)
    component = 0 if uniform[0] < 0.2 else 1 if uniform[0] < 0.7 else 2
    z = MEANS[component] + temperature * FACTORS[component] @ stats.norm.ppf(uniform[1:])
    np.testing.assert_allclose(MIXTURE.draw(seed, 5, 1, temperature)[0], z, rtol=1e-6, atol=1e-6)


def test_the_bits_are_the_same_on_every_machine() -> None:
    digest = hashlib.sha256(MIXTURE.draw(7, 0, 10_000).astype("<f4").tobytes()).hexdigest()
    assert digest == "254e0bb5db889e1153f1feb527e2dc921b97e3036a5e3a2ad47bc949d24f0ebb"


def test_draws_follow_the_density() -> None:
    z = MIXTURE.draw(11, 0, 100_000).astype(np.float64)
    np.testing.assert_allclose(z.mean(axis=0), WEIGHTS @ MEANS, atol=0.03)
    second = sum(
        weight * (np.outer(mean, mean) + factor @ factor.T)
        for weight, mean, factor in zip(WEIGHTS, MEANS, FACTORS, strict=True)
    )
    np.testing.assert_allclose(z.T @ z / len(z), second, atol=0.08)
    line = np.linspace(-8, 8, 200_001)
    margin = sum(
        weight * stats.norm(mean[0], np.linalg.norm(factor[0])).cdf(line)
        for weight, mean, factor in zip(WEIGHTS, MEANS, FACTORS, strict=True)
    )
    assert stats.kstest(z[:, 0], lambda x: np.interp(x, line, margin)).pvalue > 1e-3


@pytest.mark.parametrize("temperature", [1.0, 0.3, 2.0])
def test_the_density_is_that_of_the_components(temperature: float) -> None:
    z = MIXTURE.draw(3, 0, 500, temperature).astype(np.float64)
    np.testing.assert_allclose(MIXTURE.log_prob(z, temperature), expected_log_prob(z, temperature), rtol=1e-9)


def test_temperature_changes_the_density_only_through_the_base_distribution() -> None:
    z = MIXTURE.draw(3, 0, 50, 0.7)
    log_abs_det_jacobian = np.linspace(-3, 3, 50)
    got = base.tempered(MIXTURE, (MIXTURE.log_prob(z) + log_abs_det_jacobian).astype(np.float32), z, 0.7)
    np.testing.assert_allclose(got, MIXTURE.log_prob(z, 0.7) + log_abs_det_jacobian, rtol=1e-4, atol=1e-4)


def test_a_surface_encloses_every_component() -> None:
    angle = np.linspace(0, 2 * np.pi, 50)
    flat = GaussianMixture.of(WEIGHTS, MEANS[:, :2], FACTORS[:, :2, :2])
    points = flat.surface(np.stack([np.cos(angle), np.sin(angle)], axis=1), 6.0).reshape(3, 50, 2)
    for mean, inverse, each in zip(flat.means, flat.inverse_factors, points, strict=True):
        np.testing.assert_allclose(np.linalg.norm((each - mean) @ inverse.T, axis=1), 6.0)


def test_the_file_holds_the_same_mixture() -> None:
    again = mixture.parse(MIXTURE.to_bytes(), DIMENSION)
    assert again.draw(1, 2, 100).tobytes() == MIXTURE.draw(1, 2, 100).tobytes()
    assert again.to_bytes() == MIXTURE.to_bytes()


def changed(row: int, column: int, value: float) -> bytes:
    table = npy.read(MIXTURE.to_bytes()).copy()
    table[row, column] = value
    return npy.write(table)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"no npy", "header"),
        (npy.write(np.ones((1, 4))), "expected float64"),
        (npy.write(np.ones((0, 10))), "expected float64"),
        (npy.write(np.ones((1, 10), np.float32)), "expected float64"),
        (changed(0, 1, np.nan), "not finite"),
        (changed(0, 0, -0.2), "weights"),
        (changed(0, 0, 0.3), "sum 1.1"),
        (changed(1, 1, 1e7), "above 1e+06"),
        (changed(1, 4, 0.0), "spread below 1e-06"),
        (changed(1, 4, -1.0), "spread below 1e-06"),
    ],
)
def test_a_file_of_no_mixture_is_refused_with_the_reason(content: bytes, sentence: str) -> None:
    with pytest.raises(BaseInvalid, match=r"base\.npy") as error:
        mixture.parse(content, DIMENSION)
    assert sentence in str(error.value)


def test_the_example_in_the_docstring_runs() -> None:
    assert doctest.testmod(mixture) == (0, 2)


def test_normal_scores_of_draws_are_independent_standard_normals() -> None:
    scores = MIXTURE.normal_scores(MIXTURE.draw(5, 0, 20_000))
    assert min(stats.kstest(scores[:, column], "norm").pvalue for column in range(DIMENSION)) > 1e-3
    assert np.abs(np.corrcoef(scores.T) - np.eye(DIMENSION)).max() < 0.03
    # The same rows in other columns are no scores: the check can fail.
    assert stats.kstest(MIXTURE.normal_scores(MIXTURE.draw(5, 0, 2000)[:, ::-1])[:, 0], "norm").pvalue < 1e-3


def test_normal_scores_of_one_standard_normal_are_the_rows() -> None:
    alone = GaussianMixture.of(np.ones(1), np.zeros((1, 2)), np.eye(2)[None])
    z = base.StandardNormal(2).draw(5, 0, 1000)
    np.testing.assert_allclose(alone.normal_scores(z), z, rtol=1e-6, atol=1e-9)


def test_normal_scores_are_finite_far_out() -> None:
    assert np.isfinite(MIXTURE.normal_scores(np.full((2, DIMENSION), [[1e4], [-1e4]]))).all()
