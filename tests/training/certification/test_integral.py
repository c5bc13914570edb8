"""The integral of a density is 1 in a wide box and for a thin density."""

import numpy as np
import pytest

from diffeo.training.certification.integral import integrate
from diffeo.training.source import stream
from diffeo.training.targets import Circles, Moons, Target

TARGETS = [Moons(0.05), Circles(0.05), Circles(0.02)]


@pytest.mark.parametrize("width", [3.0, 30.0, 300.0])
@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_density_integrates_to_one_in_any_box_that_holds_it(target: Target, width: float) -> None:
    known = target.draw(5000, stream(1, "known"))
    low, high = np.array([-width, -width]), np.array([1.1 * width, width])
    mass, points = integrate(lambda rows: np.exp(target.log_prob(rows)), low, high, known)
    assert mass == pytest.approx(1, abs=1e-4)
    assert points < 2_000_000


def test_a_factor_of_one_percent_changes_the_integral_by_one_percent() -> None:
    target = Circles(0.05)
    known = target.draw(5000, stream(1, "known"))
    box = np.array([-3.0, -3.0]), np.array([3.0, 3.0])
    mass, _ = integrate(lambda rows: 1.01 * np.exp(target.log_prob(rows)), *box, known)
    assert mass == pytest.approx(1.01, abs=1e-4)


def test_the_integral_of_a_polynomial_is_exact() -> None:
    box = np.array([0.0, -1.0]), np.array([2.0, 1.0])
    mass, _ = integrate(lambda rows: rows[:, 0] ** 3 * rows[:, 1] ** 2, *box, np.zeros((1, 2)))
    assert mass == pytest.approx(4 * 2 / 3, rel=1e-12)


@pytest.mark.parametrize("width", [10.0, 1e4, 1e8])
def test_a_density_of_one_column_integrates_to_one_in_any_box_that_holds_it(width: float) -> None:
    known = np.random.default_rng(1).standard_normal((5000, 1))
    mass, points = integrate(
        lambda rows: np.exp(-0.5 * rows[:, 0] ** 2) / np.sqrt(2 * np.pi),
        np.array([-width]), np.array([1.1 * width]), known,
    )  # fmt: skip
    assert mass == pytest.approx(1, abs=1e-6)
    assert points < 1_000_000
