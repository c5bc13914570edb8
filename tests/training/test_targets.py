"""The targets: drawn rows follow the stated density, and the density integrates to one."""

import numpy as np
import pytest

from diffeo.training.source import stream
from diffeo.training.targets import Circles, Moons, Target

STEP = 0.02
# Entropies of the populations in nats, known independently by quadrature over the plane.
ENTROPY = {Moons(0.05): 0.2892, Moons(0.1): 1.0076, Circles(0.05): 0.6061, Circles(0.1): 1.2765}
TARGETS = list(ENTROPY)


@pytest.fixture(scope="module")
def grid() -> np.ndarray:
    axis = np.arange(-2.5, 3.5, STEP)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_the_density_integrates_to_one_and_has_the_known_entropy(target: Target, grid: np.ndarray) -> None:
    log_prob = target.log_prob(grid)
    density = np.exp(log_prob)
    assert density.sum() * STEP**2 == pytest.approx(1, abs=1e-6)
    assert -(density * log_prob).sum() * STEP**2 == pytest.approx(ENTROPY[target], abs=1e-4)


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_the_entropy_equals_the_known_one(target: Target) -> None:
    assert target.entropy() == pytest.approx(ENTROPY[target], abs=5e-5)


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_rows_follow_the_density(target: Target) -> None:
    rows = target.draw(40_000, stream(1, "rows"))
    mean = -target.log_prob(rows).mean()
    assert mean == pytest.approx(ENTROPY[target], abs=4 * 0.8 / np.sqrt(40_000))
    counts, *edges = np.histogram2d(rows[:, 0], rows[:, 1], bins=12, range=[[-2, 3], [-2, 2]])
    expected = _cell_masses(target, edges) * len(rows)
    full = expected > 20
    assert ((counts - expected)[full] ** 2 / expected[full]).sum() < 2 * full.sum()


def _cell_masses(target: Target, edges: list[np.ndarray]) -> np.ndarray:
    fine = [np.linspace(edge[0], edge[-1], 12 * 20 + 1) for edge in edges]
    middles = [(axis[1:] + axis[:-1]) / 2 for axis in fine]
    points = np.stack(np.meshgrid(*middles, indexing="ij"), axis=-1).reshape(-1, 2)
    cell = (fine[0][1] - fine[0][0]) * (fine[1][1] - fine[1][0])
    masses: np.ndarray = (np.exp(target.log_prob(points)) * cell).reshape(12, 20, 12, 20).sum(axis=(1, 3))
    return masses


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_far_points_have_a_finite_log_density(target: Target) -> None:
    far = np.array([[100.0, -100.0], [1e4, 0.0], [0.0, 0.0]])
    assert np.isfinite(target.log_prob(far)).all()


def test_angles_are_random_and_not_on_a_grid() -> None:
    rows = Circles(1e-6).draw(1000, stream(2, "rows"))
    gaps = np.diff(np.sort(np.arctan2(rows[:, 1], rows[:, 0])))
    # Exponential gaps have a standard deviation equal to their mean; a grid has none.
    assert gaps.std() / gaps.mean() == pytest.approx(1, abs=0.2)


def test_streams_for_different_purposes_share_no_numbers() -> None:
    assert not np.intersect1d(stream(1, "rows").random(1000), stream(1, "fresh points").random(1000)).size
