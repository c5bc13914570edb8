"""The spline of a coupling stays invertible in float32 and finite far out, whatever numbers a conditioner computes."""

import math

import pytest
import torch
from torch import Tensor

from diffeo.training.flows.elementwise import Theta
from diffeo.training.flows.splines.coupling import LEAST_SHARE, RationalQuadratic

MAPS = [RationalQuadratic(8, 5.0, 2.0), RationalQuadratic(4, 3.0, 2.0), RationalQuadratic(32, 5.0, 2.0)]
every_map = pytest.mark.parametrize("spline", MAPS, ids=lambda spline: f"{spline.bins} bins")


def theta(spline: RationalQuadratic, raw: Tensor) -> Theta:
    """The parameters for one column, from raw numbers [B, P]."""
    return spline.constrain(spline.raw_numbers(raw))


def knots_and_slopes(spline: RationalQuadratic, parameters: Theta) -> tuple[Tensor, Tensor]:
    """Knots [B, 2, K + 1] in x and in z, and the slopes at them [B, K + 1]."""
    (table,) = parameters
    sums, slopes = torch.split(table, [2 * (spline.bins + 2), spline.bins + 1], dim=-1)
    knots, total = torch.split(torch.unflatten(sums, -1, (2, spline.bins + 2)), [spline.bins + 1, 1], dim=-1)
    return knots / total, slopes


def hostile(spline: RationalQuadratic, count: int = 20_000, spread: float = 8.0) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return spread * torch.randn(count, spline.parameters, generator=generator, dtype=torch.float64)


def numbers(spline: RationalQuadratic, count: int = 20_000) -> Tensor:
    """Numbers inside of the outer knots and beyond them [B, 1]."""
    generator = torch.Generator().manual_seed(2)
    return 1.2 * spline.bound * (2 * torch.rand(count, 1, generator=generator, dtype=torch.float64) - 1)


@pytest.mark.parametrize(("spline", "most"), list(zip(MAPS, (3e-3, 1e-3, 3e-2), strict=True)), ids=str)
def test_the_round_trip_in_float32_is_bounded_with_hostile_raw_numbers(spline: RationalQuadratic, most: float) -> None:
    x, parameters = numbers(spline).float(), theta(spline, hostile(spline).float())
    z, _ = spline.forward(x, parameters)
    errors = (spline.inverse(z, parameters)[0] - x).abs()
    assert float(errors.max()) < most
    assert float(errors.quantile(0.999)) < most / 5


@pytest.mark.parametrize(("spline", "most"), list(zip(MAPS, (1e-3, 5e-4, 5e-3), strict=True)), ids=str)
def test_float32_and_float64_agree_with_hostile_raw_numbers(spline: RationalQuadratic, most: float) -> None:
    raw, x = hostile(spline).float(), numbers(spline).float()
    narrow, wide = (spline.forward(x.to(kind), theta(spline, raw.to(kind))) for kind in (torch.float32, torch.float64))
    assert float((narrow[0] - wide[0]).abs().max()) < most
    assert float((narrow[1] - wide[1]).abs().max()) < 2 * most


@every_map
@pytest.mark.parametrize("size", [1e6, 1e30])
def test_raw_numbers_of_any_size_give_finite_answers_and_gradients(spline: RationalQuadratic, size: float) -> None:
    raw = (size * torch.sign(hostile(spline, 200))).float().requires_grad_()
    x = (1e6 * numbers(spline, 200)).float().requires_grad_()
    z, log_slope = spline.forward(x, theta(spline, raw))
    (z.sum() + log_slope.sum()).backward()  # type: ignore[no-untyped-call]  # torch leaves backward untyped
    assert all(bool(part.isfinite().all()) for part in (z, log_slope, x.grad, raw.grad) if part is not None)


@every_map
def test_a_fresh_spline_is_the_identity_inside_and_beyond_its_knots(spline: RationalQuadratic) -> None:
    x = numbers(spline, 500)
    parameters = theta(spline, torch.zeros(500, spline.parameters, dtype=torch.float64))
    for answer, log_slope in (spline.forward(x, parameters), spline.inverse(x, parameters)):
        torch.testing.assert_close(answer, x, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(log_slope, torch.zeros_like(x), rtol=0, atol=1e-12)


@every_map
def test_the_spline_passes_through_its_knots_with_their_slopes(spline: RationalQuadratic) -> None:
    raw = hostile(spline, 50, spread=1.0)
    parameters = theta(spline, raw)
    knots, slopes = knots_and_slopes(spline, parameters)
    for index in range(spline.bins + 1):
        z, log_slope = spline.forward(knots[:, 0, index, None], parameters)
        torch.testing.assert_close(z, knots[:, 1, index, None], rtol=0, atol=1e-12)
        torch.testing.assert_close(log_slope.exp(), slopes[:, index, None], rtol=1e-9, atol=0)


@every_map
def test_no_piece_is_narrower_or_lower_than_a_share_of_an_even_one(spline: RationalQuadratic) -> None:
    knots, slopes = knots_and_slopes(spline, theta(spline, hostile(spline, 500, spread=1e6)))
    even = 2 * spline.bound / spline.bins
    assert float(torch.diff(knots).min()) > LEAST_SHARE * even * (1 - 1e-9)
    assert float(slopes.log().abs().max()) <= spline.limit / 2 * (1 + 1e-9)


def test_the_outer_slopes_continue_beyond_the_knots() -> None:
    spline = RationalQuadratic(2, 1.0, 2.0)
    raw = torch.zeros(1, spline.parameters)
    raw[0, -1] = 2 * math.atanh(math.log(2.0))  # the last slope is 2
    z, log_slope = spline.forward(torch.tensor([[2.0]]), theta(spline, raw))
    assert float(z) == pytest.approx(1 + 2 * 1)
    assert float(log_slope) == pytest.approx(math.log(2))


def test_several_columns_are_computed_as_each_alone() -> None:
    spline = RationalQuadratic(8, 5.0, 2.0)
    output = hostile(spline, 40).reshape(10, -1)  # 4 columns
    x = numbers(spline, 40).reshape(10, 4)
    z, log_slope = spline.forward(x, spline.constrain(spline.raw_numbers(output)))
    for column in range(4):
        raw = output.reshape(10, 4, -1)[:, column]
        alone = spline.forward(x[:, column, None], theta(spline, raw))
        torch.testing.assert_close((z[:, column, None], log_slope[:, column, None]), alone)
