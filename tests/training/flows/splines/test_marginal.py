"""Splines at quantiles make each column nearly standard normal, and stay tame where data are hostile."""

import numpy as np
import pytest
import torch
from scipy import stats

from diffeo.training.flows.splines.marginal import MarginalSpline
from diffeo.training.flows.splines.quantile_knots import LEAST_TAIL_ROWS, knots_at_quantiles

Column = torch.Tensor


def drawn(name: str, rows: int, seed: int) -> Column:
    """A standardised column of a named law."""
    random = np.random.default_rng(seed)
    laws = {
        "normal": random.standard_normal(rows),
        "uniform": random.uniform(size=rows),
        "exponential": random.exponential(size=rows),
        "lognormal": np.exp(random.standard_normal(rows)),
        "student": random.standard_t(3, rows),
        "two peaks": np.where(random.random(rows) < 0.3, -4, 4) + random.standard_normal(rows),
    }
    moments = {"uniform": (0.5, 12**-0.5), "exponential": (1, 1), "lognormal": (1.65, 2.16), "student": (0, 1.73)}
    mean, scale = moments.get(name, (0.0, 1.0))
    return torch.from_numpy((laws[name] - mean) / scale)


LAWS = ["normal", "uniform", "exponential", "lognormal", "student", "two peaks"]


@pytest.mark.parametrize("law", LAWS)
def test_fresh_rows_of_any_law_become_nearly_standard_normal(law: str) -> None:
    spline = MarginalSpline.fitted(drawn(law, 20_000, 1)[:, None], 32).requires_grad_(requires_grad=False)
    z = spline.forward(drawn(law, 5_000, 2)[:, None])[0].numpy().ravel()
    assert stats.kstest(z, "norm").statistic < 0.03


@pytest.mark.parametrize("law", LAWS)
def test_the_density_of_a_column_is_near_its_law(law: str) -> None:
    spline = MarginalSpline.fitted(drawn(law, 20_000, 1)[:, None], 32).requires_grad_(requires_grad=False)
    z, ladj = spline.forward(drawn(law, 20_000, 2)[:, None])
    nats = float((stats.norm.logpdf(z.numpy()).ravel() + ladj.numpy()).mean())
    scale = {"uniform": 12**-0.5, "lognormal": 2.16, "student": 1.73}.get(law, 1.0)
    mixture = stats.norm.logpdf
    fresh = drawn("two peaks", 200_000, 3).numpy()
    entropies = {
        "normal": stats.norm.entropy(), "uniform": 0.0, "exponential": 1.0, "lognormal": stats.lognorm(1).entropy(),
        "student": stats.t(3).entropy(),
        "two peaks": -np.log(0.3 * np.exp(mixture(fresh + 4)) + 0.7 * np.exp(mixture(fresh - 4))).mean(),
    }  # fmt: skip
    assert nats == pytest.approx(-(float(entropies[law]) - np.log(scale)), abs=0.05)


@pytest.mark.parametrize("rows", [1, 2, 10, 150])
def test_few_rows_give_a_spline_too(rows: int) -> None:
    spline = MarginalSpline.fitted(drawn("normal", rows, 1)[:, None], 16).requires_grad_(requires_grad=False)
    z, ladj = spline.forward(torch.linspace(-20, 20, 100, dtype=torch.float64)[:, None])
    assert bool((torch.diff(z.ravel()) > 0).all())
    assert bool(ladj.isfinite().all())


HOSTILE = {
    "one value": torch.zeros(500, dtype=torch.float64),
    "a rare flag": (torch.arange(5000) == 17).double() * 70,
    "two values": (torch.arange(1000) % 2).double() * 2 - 1,
    "many zeros": drawn("exponential", 3000, 1) * (torch.arange(3000) % 2),
    "one cell of a million": torch.cat((drawn("normal", 999, 1), torch.tensor([1e6], dtype=torch.float64))),
}


@pytest.mark.parametrize("column", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_columns_give_a_monotone_spline_with_finite_answers(column: Column) -> None:
    spline = MarginalSpline.fitted(column[:, None], 16).requires_grad_(requires_grad=False)
    both = torch.cat((column, torch.linspace(-100, 100, 1001, dtype=torch.float64)))
    x = torch.from_numpy(np.unique(both.numpy()))
    z, ladj = spline.forward(x[:, None])
    assert bool((torch.diff(z.ravel()) > 0).all())
    assert bool(ladj.isfinite().all())
    assert float(spline.forward(column[:, None])[0].abs().max()) < 100
    torch.testing.assert_close(spline.inverse(z)[0].ravel(), x, rtol=1e-6, atol=1e-6)


def test_the_slope_of_a_tail_makes_the_rows_beyond_the_knot_most_likely() -> None:
    column = drawn("student", 20_000, 1)
    knots = knots_at_quantiles(column, 8)
    excess = (column - knots.x[-1])[column > knots.x[-1]]
    assert len(excess) >= LEAST_TAIL_ROWS
    outer, best = float(knots.z[-1]), float(knots.slopes[-1])

    def nats(slope: float) -> float:
        return float((-0.5 * (outer + slope * excess) ** 2 + np.log(slope)).mean())

    assert nats(best) > max(nats(0.99 * best), nats(1.01 * best))


def test_frozen_splines_compute_the_same_numbers_with_constants_alone() -> None:
    spline = MarginalSpline.fitted(drawn("lognormal", 2000, 1).reshape(-1, 2), 8)
    frozen = spline.frozen()
    assert not list(frozen.parameters())
    x = drawn("lognormal", 100, 2).reshape(-1, 2)
    torch.testing.assert_close(frozen.forward(x), spline.forward(x), rtol=1e-12, atol=1e-12, check_stride=False)
