"""Tails make heavy tails nearly exponential, and leave light ones nearly as they are."""

import numpy as np
import pytest
import torch
from scipy import stats

from diffeo.training.flows.tails import LEAST_BEND, Tails

ROWS = 20_000


def column(law: object) -> torch.Tensor:
    drawn = law.rvs(ROWS, random_state=1)  # type: ignore[attr-defined]
    return torch.from_numpy((drawn - np.median(drawn)) / stats.iqr(drawn))[:, None]


@pytest.mark.parametrize("freedom", [1.5, 2, 3])
def test_the_excess_of_a_heavy_tail_becomes_exponential(freedom: float) -> None:
    rows = column(stats.t(freedom))
    tails = Tails.fitted(rows).requires_grad_(requires_grad=False)
    z = tails.forward(rows)[0]
    excess = (z - tails.high)[z > tails.high].numpy()
    assert stats.kstest(excess / excess.mean(), "expon").pvalue > 0.01
    raw = (rows - tails.high)[rows > tails.high].numpy()
    assert stats.kstest(raw / raw.mean(), "expon").pvalue < 0.01


@pytest.mark.parametrize("law", [stats.norm(), stats.uniform()], ids=["normal", "uniform"])
def test_a_light_tail_stays(law: object) -> None:
    rows = column(law)
    tails = Tails.fitted(rows).requires_grad_(requires_grad=False)
    assert float(tails.log_bends.exp().max()) == pytest.approx(LEAST_BEND)
    assert float((tails.forward(rows)[0] - rows).abs().max()) < 0.1


def test_few_rows_and_one_value_leave_a_column_nearly_as_it_is() -> None:
    for rows in (torch.zeros(50, 2, dtype=torch.float64), torch.tensor([[1.0], [2.0]], dtype=torch.float64)):
        z, ladj = Tails.fitted(rows).requires_grad_(requires_grad=False).forward(rows)
        torch.testing.assert_close(z, rows, atol=0.1, rtol=0)
        assert bool(ladj.isfinite().all())
