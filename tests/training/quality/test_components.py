"""Expectation and maximisation by products: each iteration is that of scikit-learn, and hard rows give a density."""

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.mixture import GaussianMixture as Reference

from diffeo.training.quality.baselines import components
from diffeo.training.quality.baselines.components import fit_components

Array = npt.NDArray[np.float64]


def clusters(rows: int, dimension: int, count: int, seed: int = 0) -> Array:
    generator = np.random.default_rng(seed)
    centres = 6 * np.random.default_rng(5).standard_normal((count, dimension))
    spread = np.random.default_rng(6).standard_normal((count, dimension, dimension))
    chosen = generator.integers(0, count, rows)
    noise: Array = np.einsum("nij,nj->ni", spread[chosen], generator.standard_normal((rows, dimension)))
    return centres[chosen] + noise


@pytest.mark.parametrize(("dimension", "count"), [(1, 2), (2, 5), (6, 4)])
def test_an_iteration_is_that_of_scikit_learn(dimension: int, count: int) -> None:
    rows = clusters(3000, dimension, count)
    first, second = (fit_components(rows, count, 1e-6, seed=0, most_iterations=number) for number in (1, 2))
    assert first is not None
    assert second is not None
    covariances = first.factors @ first.factors.transpose(0, 2, 1)
    reference = Reference(
        count,
        reg_covar=1e-6,
        max_iter=1,
        tol=0,
        weights_init=first.weights,
        means_init=first.means,
        precisions_init=np.linalg.inv(covariances),
    )
    with pytest.warns(match="did not converge"):
        reference.fit(rows)
    np.testing.assert_allclose(second.weights, reference.weights_, rtol=1e-6)
    np.testing.assert_allclose(second.means, reference.means_, atol=1e-6)
    np.testing.assert_allclose(second.log_prob(rows), reference.score_samples(rows), atol=1e-5)


def test_it_is_as_likely_as_that_of_scikit_learn_on_new_rows() -> None:
    rows, new = clusters(6000, 4, 12), clusters(6000, 4, 12, seed=1)
    ours, theirs = [], []
    for seed in range(6):  # each ends at a local maximum
        fitted = fit_components(rows, 12, 1e-6, seed=seed)
        assert fitted is not None
        ours.append(fitted.log_prob(new).mean())
        theirs.append(Reference(12, random_state=seed).fit(rows).score_samples(new).mean())
    assert np.mean(ours) > np.mean(theirs)
    assert max(ours) > max(theirs) - 0.01


def test_more_work_takes_more_rows_or_iterations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(components, "WORK", 1e7)
    rows, new = clusters(4000, 3, 16), clusters(4000, 3, 16, seed=1)
    likelihoods = []
    for effort in (0.4, 4.0, 40.0):
        fitted = fit_components(rows, 16, 1e-6, seed=0, effort=effort)
        assert fitted is not None
        likelihoods.append(fitted.log_prob(new).mean())
    assert likelihoods[0] < likelihoods[1] < likelihoods[2]


HARD = {
    "equal rows": np.ones((200, 3)),
    "a column twice": np.repeat(np.random.default_rng(0).standard_normal((500, 1)), 2, axis=1),
    "one row far away": np.concatenate([np.random.default_rng(0).standard_normal((500, 2)), [[1e9, 0.0]]]),
    "heavy tails": np.random.default_rng(0).standard_t(1, (2000, 4)),
}


@pytest.mark.parametrize("rows", HARD.values(), ids=HARD.keys())
def test_hard_rows_give_a_density_of_finite_values(rows: Array) -> None:
    fitted = fit_components(rows, 8, 1e-6, seed=0)
    assert fitted is not None
    assert fitted.weights.sum() == pytest.approx(1)
    assert np.isfinite(fitted.log_prob(rows)).all()


def test_too_few_rows_give_none() -> None:
    assert fit_components(clusters(30, 4, 2), 4, 1e-6, seed=0) is None
