"""Rounded weights keep their products with given rows better than the nearest integers do."""

import pytest
import torch
from torch import Tensor

from diffeo.training.int8.integer_weights import integer_weights
from diffeo.training.int8.rounded_product import WEIGHT_LIMIT

FEATURES, OUTPUTS = 64, 10


@pytest.fixture
def weight() -> Tensor:
    return torch.randn(OUTPUTS, FEATURES, generator=torch.Generator().manual_seed(1)).double()


def spanned(directions: int) -> Tensor:
    """Rows [400, FEATURES] of whole numbers up to 255; before their rounding they span this many directions."""
    generator = torch.Generator().manual_seed(2)
    rows = torch.rand(400, directions, generator=generator) @ torch.rand(directions, FEATURES, generator=generator)
    return torch.round(255 * rows / rows.max()).double()


def error(weight: Tensor, rows: Tensor, integers: Tensor, unit: Tensor) -> float:
    return float((rows @ (weight - integers * unit[:, None]).T).square().mean().sqrt())


def nearest(weight: Tensor, unit: Tensor) -> Tensor:
    return torch.round(weight / unit[:, None])


@pytest.mark.parametrize(("directions", "factor"), [(3, 5), (FEATURES, 1.2)])
def test_the_product_keeps_more_than_nearest_integers_do(weight: Tensor, directions: int, factor: float) -> None:
    rows = spanned(directions)
    integers, unit = integer_weights(weight, rows)
    assert factor * error(weight, rows, integers, unit) < error(weight, rows, nearest(weight, unit), unit)


def test_integers_are_whole_within_the_limit_and_reach_it(weight: Tensor) -> None:
    integers, unit = integer_weights(weight, spanned(3))
    assert torch.equal(integers, integers.round())
    assert integers.abs().max() <= WEIGHT_LIMIT
    torch.testing.assert_close(unit * WEIGHT_LIMIT, weight.abs().amax(dim=1))


def test_weights_that_are_integers_already_stay(weight: Tensor) -> None:
    whole = torch.round(20 * weight).clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT)
    whole[:, 0] = WEIGHT_LIMIT
    integers, unit = integer_weights(0.5 * whole, spanned(3))
    assert torch.equal(integers, whole)
    assert torch.equal(unit, torch.full((OUTPUTS,), 0.5, dtype=torch.float64))


def test_an_output_without_weights_is_zero() -> None:
    integers, unit = integer_weights(torch.zeros(1, FEATURES).double(), spanned(3))
    assert torch.equal(integers * unit[:, None], torch.zeros(1, FEATURES).double())
    assert unit.isfinite().all()


def test_rows_of_zeros_give_integers_too(weight: Tensor) -> None:
    integers, _ = integer_weights(weight, torch.zeros(400, FEATURES).double())
    assert integers.abs().max() == WEIGHT_LIMIT
