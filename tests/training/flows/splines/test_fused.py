"""The compiled splines of a fit have the values and the gradients of the splines of the graphs."""

import copy

import pytest
import torch
from torch import Tensor

from diffeo.training.flows.splines.coupling import RationalQuadratic
from diffeo.training.flows.splines.marginal import MarginalSpline

SPLINES = {
    "of the default": RationalQuadratic(bins=8, bound=5.0, limit=2.0),
    "of two pieces": RationalQuadratic(bins=2, bound=1.5, limit=3.0),
}


def numbers(spline: RationalQuadratic, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """x [40, 3] within and beyond the outer knots, and outputs of a conditioner."""
    generator = torch.Generator().manual_seed(5)
    x = 1.2 * spline.bound * torch.randn(40, 3, generator=generator, dtype=torch.float64)
    output = 2 * torch.randn(40, 3 * spline.parameters, generator=generator, dtype=torch.float64)
    return x.to(dtype).requires_grad_(), output.to(dtype).requires_grad_()


def plain(spline: RationalQuadratic, x: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
    return spline.forward(x, spline.constrain(spline.raw_numbers(output)))


@pytest.mark.parametrize("name", SPLINES)
@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-11), (torch.float32, 2e-5)])
def test_values_are_those_of_the_graph(name: str, dtype: torch.dtype, error: float) -> None:
    spline = SPLINES[name]
    x, output = numbers(spline, dtype)
    for fused, expected in zip(spline.forward_in_fit(x, output), plain(spline, x, output), strict=True):
        torch.testing.assert_close(fused, expected, rtol=error, atol=error)


@pytest.mark.parametrize("part", [0, 1], ids=["z", "log slope"])
@pytest.mark.parametrize("name", SPLINES)
def test_gradients_are_those_of_automatic_differentiation(name: str, part: int) -> None:
    spline = SPLINES[name]
    x, output = numbers(spline, torch.float64)
    weights = torch.randn(40, 3, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    fused = torch.autograd.grad((weights * spline.forward_in_fit(x, output)[part]).sum(), (x, output))
    expected = torch.autograd.grad((weights * plain(spline, x, output)[part]).sum(), (x, output))
    for mine, theirs in zip(fused, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-11)


def test_numbers_that_are_not_finite_stay_visible() -> None:
    spline = SPLINES["of the default"]
    x = torch.tensor([[float("nan")], [0.5]])
    output = torch.zeros(2, spline.parameters, requires_grad=True)
    z, log_slope = spline.forward_in_fit(x, output)
    assert not bool((z + log_slope)[0].isfinite().any())
    assert bool((z + log_slope)[1].isfinite().all())


def column_splines(dtype: torch.dtype) -> tuple[MarginalSpline, Tensor]:
    """Splines of three columns that follow rows of them, and rows within and beyond their knots."""
    generator = torch.Generator().manual_seed(7)
    rows = torch.exp(torch.randn(400, 3, generator=generator, dtype=torch.float64))
    spline = MarginalSpline.fitted(rows, bins=5).to(dtype)
    return spline, (3 * torch.randn(60, 3, generator=generator, dtype=torch.float64)).to(dtype)


@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-9), (torch.float32, 1e-3)])
def test_splines_of_columns_have_the_values_and_gradients_of_the_graph(dtype: torch.dtype, error: float) -> None:
    plain, x = column_splines(dtype)
    fused = copy.deepcopy(plain).train()
    weights = torch.randn(2, 60, 3, generator=torch.Generator().manual_seed(8), dtype=torch.float64).to(dtype)
    found = []
    for spline in (fused, plain):
        rows = x.clone().requires_grad_()
        z, ladj = spline.forward(rows)
        loss = (weights[0] * z).sum() + (weights[1, :, 0] * ladj).sum()
        found.append([z, ladj, *torch.autograd.grad(loss, [rows, *spline.parameters()])])
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=error, atol=error)


def test_a_number_that_is_not_finite_stays_visible_in_a_column() -> None:
    spline, x = column_splines(torch.float32)
    x[3, 1] = float("nan")
    z, ladj = spline.train().forward(x)
    assert torch.equal(z.isnan().nonzero(), torch.tensor([[3, 1]]))
    assert torch.equal(ladj.isnan().nonzero(), torch.tensor([[3]]))
