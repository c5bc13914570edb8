"""The equations of couplings and flows, on numbers that are computed by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffeo.training.flows.affine import AffineCouplingSpec, AffineMap
from diffeo.training.flows.architecture import Architecture
from diffeo.training.flows.base.standard_normal import standard_normal_log_prob
from diffeo.training.flows.conditioner import ConditionerShape
from diffeo.training.flows.coupling import Coupling, Halves
from diffeo.training.flows.flow import Flow


def with_random_weights(dimension: int, layers: int) -> Flow:
    """A flow in float64 of affine couplings, with weights away from the identity."""
    generator = torch.Generator().manual_seed(3)
    mean, scale = torch.linspace(-5, 100, dimension), torch.linspace(0.1, 30, dimension)
    flow = Architecture(dimension, layers, 16, 2, AffineCouplingSpec(limit=2.0)).build(mean, scale)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.5 * torch.randn(parameter.shape, generator=generator) / math.sqrt(parameter.shape[-1]))
    return flow.double().requires_grad_(requires_grad=False)


def test_an_affine_coupling_computes_its_equation() -> None:
    layer = with_random_weights(2, 1).transforms[1]
    assert isinstance(layer, Coupling)
    x = torch.tensor([[0.3, -0.7]], dtype=torch.float64)
    raw, t = layer.conditioner.forward(x[:, :1])[0].detach()
    s = 2.0 * torch.tanh(raw / 2.0)
    z, ladj = layer.forward(x)
    assert z.tolist() == [[0.3, float(-0.7 * torch.exp(s) + t)]]
    assert float(ladj) == pytest.approx(float(s))


@given(raw=st.floats(-1e6, 1e6), limit=st.floats(0.5, 5))
def test_one_coupling_scales_by_at_most_exp_limit(raw: float, limit: float) -> None:
    layer = Coupling(Halves(2, flipped=False), AffineMap(limit), ConditionerShape(4, 1))
    with torch.no_grad():
        list(layer.parameters())[-1].copy_(torch.tensor([raw, 0.0]))
    _, ladj = layer.forward(torch.zeros(1, 2))
    assert abs(float(ladj.detach())) <= limit * (1 + 1e-6)


@pytest.mark.parametrize("layers", [1, 3, 5])
def test_a_fresh_flow_is_the_standardisation(layers: int) -> None:
    mean, scale = torch.tensor([1.0, -2.0]), torch.tensor([2.0, 4.0])
    flow = Architecture(2, layers, 8, 2, AffineCouplingSpec()).build(mean, scale).requires_grad_(requires_grad=False)
    z, ladj = flow.forward(torch.tensor([[3.0, 2.0]]))
    assert z.tolist() == [[1.0, 1.0]]
    assert float(ladj) == pytest.approx(-math.log(8))


def test_every_column_is_moved_by_two_alternating_couplings() -> None:
    flow = with_random_weights(5, 2)
    flow.transforms = flow.transforms[1:]  # the standardisation moves every column already
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert (flow.forward(x)[0] != x).all()


def test_log_prob_follows_the_change_of_variables() -> None:
    flow = with_random_weights(3, 2)
    x = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    z, ladj = flow.forward(x)
    expected = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1) + ladj  # type: ignore[no-untyped-call]  # torch's
    torch.testing.assert_close(flow.log_prob(x), expected)
    torch.testing.assert_close(standard_normal_log_prob(z) + ladj, expected)


def test_a_column_far_from_zero_keeps_its_digits_in_float64() -> None:
    mean, scale = torch.tensor([1.7e9, 0.0], dtype=torch.float64), torch.ones(2, dtype=torch.float64)
    flow = Architecture(2, 2, 8, 2, AffineCouplingSpec()).build(mean, scale).requires_grad_(requires_grad=False)
    x = torch.tensor([[1.7e9 + 0.125, 0.5]], dtype=torch.float64)
    z, _ = flow.forward(x)
    assert z.dtype == torch.float32
    assert z.tolist() == [[0.125, 0.5]]
    assert flow.inverse(z)[0].tolist() == x.tolist()
