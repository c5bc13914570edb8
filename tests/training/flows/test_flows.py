"""Every transform obeys every law; a new transform is one new line in TRANSFORMS."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffeo.training.flows.architecture import Architecture, flow_from_bytes, flow_to_bytes
from diffeo.training.flows.conditioner import ConditionerShape
from diffeo.training.flows.coupling import AffineCoupling
from diffeo.training.flows.flow import Flow, standard_normal_log_prob
from diffeo.training.flows.matrix import BlockTriangular
from diffeo.training.flows.standardise import Standardise
from diffeo.training.flows.transform import Transform
from diffeo.training.flows.triangular_coupling import TriangularCoupling
from tests.given.laws import LAWS, Law


def trained(transform: Transform | Flow, spread: float = 0.5) -> Transform | Flow:
    """The transform with weights as training might leave them: away from the identity, in float64."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in transform.parameters():
            parameter.add_(spread * torch.randn(parameter.shape, generator=generator) / math.sqrt(parameter.shape[-1]))
    return transform.double().requires_grad_(requires_grad=False)


def coupling(dimension: int, *, flipped: bool) -> Transform | Flow:
    return trained(AffineCoupling(dimension, ConditionerShape(16, 2), flipped=flipped, limit=2.0))


def triangular(dimension: int, block: int, det: float | None = None, *, flipped: bool = False) -> Transform | Flow:
    matrix = BlockTriangular(dimension - dimension // 2 if flipped else dimension // 2, block, det)
    return trained(TriangularCoupling(dimension, ConditionerShape(16, 2), matrix, flipped=flipped, limit=2.0))


def flow(dimension: int, layers: int, block: int = 0) -> Transform | Flow:
    mean, scale = torch.linspace(-5, 100, dimension), torch.linspace(0.1, 30, dimension)
    return trained(Architecture(dimension, layers, 16, 2, 2.0, block).build(mean, scale))


TRANSFORMS = {
    "standardise": (Standardise(torch.tensor([1.0, -2.0, 0.0]), torch.tensor([2.0, 1e-3, 1e4])).double(), 3),
    "coupling in the plane": (coupling(2, flipped=False), 2),
    "flipped coupling in the plane": (coupling(2, flipped=True), 2),
    "coupling of odd dimension": (coupling(5, flipped=False), 5),
    "flipped coupling of odd dimension": (coupling(5, flipped=True), 5),
    "triangular coupling in the plane": (triangular(2, 1), 2),
    "triangular coupling": (triangular(8, 1), 8),
    "triangular coupling of held determinant": (triangular(8, 1, 0.01), 8),
    "block triangular coupling": (triangular(8, 2), 8),
    "block triangular coupling of one block": (triangular(6, 3), 6),
    "flipped block triangular coupling of odd dimension": (triangular(9, 2, 100.0, flipped=True), 9),
    "frozen block triangular coupling": (triangular(8, 2).frozen(), 8),
    "flow without couplings": (flow(2, 0), 2),
    "flow of one coupling": (flow(3, 1), 3),
    "flow of four couplings": (flow(4, 4), 4),
    "flow of three triangular couplings": (flow(5, 3, block=2), 5),
}


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", TRANSFORMS)
def test_every_transform_obeys_every_law(name: str, law: Law) -> None:
    transform, dimension = TRANSFORMS[name]
    rows = torch.randn(20, dimension, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    law(transform, rows)


def test_a_coupling_is_its_equation() -> None:
    layer = coupling(2, flipped=False)
    x = torch.tensor([[0.3, -0.7]], dtype=torch.float64)
    raw, t = layer.conditioner.forward(x[:, :1])[0].detach()
    s = 2.0 * torch.tanh(raw / 2.0)
    z, ladj = layer.forward(x)
    assert z.tolist() == [[0.3, float(-0.7 * torch.exp(s) + t)]]
    assert float(ladj) == pytest.approx(float(s))


@given(raw=st.floats(-1e6, 1e6), limit=st.floats(0.5, 5))
def test_one_coupling_scales_by_at_most_exp_limit(raw: float, limit: float) -> None:
    layer = AffineCoupling(2, ConditionerShape(4, 1), flipped=False, limit=limit)
    with torch.no_grad():
        list(layer.parameters())[-1].copy_(torch.tensor([raw, 0.0]))
    _, ladj = layer.forward(torch.zeros(1, 2))
    assert abs(float(ladj.detach())) <= limit * (1 + 1e-6)


@pytest.mark.parametrize("layers", [1, 3, 5])
def test_a_fresh_flow_is_the_standardisation(layers: int) -> None:
    mean, scale = torch.tensor([1.0, -2.0]), torch.tensor([2.0, 4.0])
    network = Architecture(2, layers, 8, 2, 3.0).build(mean, scale).requires_grad_(requires_grad=False)
    z, ladj = network.forward(torch.tensor([[3.0, 2.0]]))
    assert z.tolist() == [[1.0, 1.0]]
    assert float(ladj) == pytest.approx(-math.log(8))


def test_every_column_is_moved_by_two_alternating_couplings() -> None:
    network = trained(Architecture(5, 2, 8, 2, 3.0).build(torch.zeros(5), torch.ones(5)))
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert (network.forward(x)[0] != x).all()


def test_log_prob_is_the_change_of_variables() -> None:
    network = flow(3, 2)
    x = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    z, ladj = network.forward(x)
    expected = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1) + ladj
    torch.testing.assert_close(network.log_prob(x), expected)
    torch.testing.assert_close(standard_normal_log_prob(z) + ladj, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_flow_survives_its_file_bit_for_bit(dtype: torch.dtype) -> None:
    architecture = Architecture(3, 2, 8, 2, 3.0)
    before = architecture.build(torch.tensor([1.7e9, 0, 1], dtype=dtype), torch.ones(3, dtype=dtype))
    after = flow_from_bytes(flow_to_bytes(before, architecture))
    assert {name: (value.dtype, value.tolist()) for name, value in before.state_dict().items()} == {
        name: (value.dtype, value.tolist()) for name, value in after.state_dict().items()
    }


def test_a_column_far_from_zero_keeps_its_digits_in_float64() -> None:
    mean, scale = torch.tensor([1.7e9, 0.0], dtype=torch.float64), torch.ones(2, dtype=torch.float64)
    network = Architecture(2, 2, 8, 2, 3.0).build(mean, scale).requires_grad_(requires_grad=False)
    x = torch.tensor([[1.7e9 + 0.125, 0.5]], dtype=torch.float64)
    z, _ = network.forward(x)
    assert z.dtype == torch.float32
    assert z.tolist() == [[0.125, 0.5]]
    assert network.inverse(z)[0].tolist() == x.tolist()
