"""A flow in 8-bit integers obeys every law of a flow, and its two graphs round alike."""

import copy

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from diffeo.training import export
from diffeo.training.errors import NothingToRound
from diffeo.training.flows.affine import AffineCouplingSpec
from diffeo.training.flows.architecture import Architecture
from diffeo.training.flows.flow import Flow
from diffeo.training.graph_session import Graph
from diffeo.training.int8 import rounding
from diffeo.training.int8.quantisation import LEAST_HIDDEN, quantise
from diffeo.training.int8.rounded_product import LEVELS, WEIGHT_LIMIT, RoundedProduct
from tests.given.flows.wide import HIDDEN, rows, wide
from tests.given.laws import LAWS, Law

SHAPES = [(2, 2, 0), (5, 3, 0), (6, 2, 2)]  # columns, hidden layers, block of A or 0


@pytest.fixture(scope="module", params=SHAPES, ids=str)
def flow(request: pytest.FixtureRequest) -> Flow:
    dimension, depth, block = request.param
    return wide(dimension, depth=depth, block=block)


@pytest.fixture(scope="module")
def dimension(flow: Flow) -> int:
    return len(flow.get_buffer("transforms.0.mean"))


@pytest.fixture(scope="module")
def small(flow: Flow, dimension: int) -> Flow:
    return quantise(flow, dimension)


@pytest.fixture(scope="module")
def graphs(small: Flow, dimension: int) -> tuple[bytes, bytes]:
    return export.to_onnx(small, dimension, "float32")


def products(flow: Flow) -> list[RoundedProduct]:
    return [module for module in flow.modules() if isinstance(module, RoundedProduct)]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_a_rounded_flow_obeys_every_law(flow: Flow, small: Flow, dimension: int, law: Law) -> None:
    law(copy.deepcopy(small).double(), rows(flow, dimension, 20).double())


def test_every_hidden_product_is_rounded_and_nothing_else(flow: Flow, small: Flow) -> None:
    hidden = [name for name, weight in flow.named_parameters() if weight.shape == (HIDDEN, HIDDEN)]
    assert len(products(small)) == len(hidden) > 0
    assert all(product.weight.shape[0] == HIDDEN for product in products(small))
    assert {value.dtype for value in small.state_dict().values()} == {torch.float32, torch.int8}


def test_log_prob_moves_by_hundredths_of_a_nat(flow: Flow, small: Flow, dimension: int) -> None:
    x = rows(flow, dimension, 2000)
    delta = (small.log_prob(x) - flow.log_prob(x)).abs()
    assert 0 < delta.mean() < 0.02
    assert delta.max() < 0.3


def test_the_sum_of_two_products_fits_into_16_bits(small: Flow) -> None:
    assert 2 * LEVELS * WEIGHT_LIMIT < 2**15
    assert all(product.weight.abs().max() <= WEIGHT_LIMIT for product in products(small))


def test_the_graphs_compute_the_rounded_flow(
    small: Flow, graphs: tuple[bytes, bytes], flow: Flow, dimension: int
) -> None:
    x = rows(flow, dimension, 1000)
    exact = copy.deepcopy(small).double()
    z, ladj = exact.forward(x.double())
    answer = Graph(graphs[0]).run(x.numpy())
    errors = np.abs(answer["z"] - z.numpy()).max(axis=1) + np.abs(answer["log_abs_det_jacobian"] - ladj.numpy())
    # A row at the edge of a rounding step may fall to either side in float32.
    assert np.quantile(errors, 0.9) < 1e-5
    assert errors.max() < 1e-2
    back = Graph(graphs[1]).run(answer["z"])
    errors = np.abs(back["x"] - x.numpy()).max(axis=1)
    assert np.quantile(errors, 0.9) < 1e-5
    assert errors.max() < 1e-2


def test_both_graphs_hold_the_same_integers(small: Flow, graphs: tuple[bytes, bytes]) -> None:
    held = [integers(content) for content in graphs]
    assert held[0].keys() == held[1].keys()
    assert len(held[0]) == len(products(small))
    assert all(np.array_equal(held[0][name], held[1][name]) for name in held[0])


def integers(content: bytes) -> dict[str, np.ndarray]:
    tensors = onnx.load_from_string(content).graph.initializer
    return {
        tensor.name: numpy_helper.to_array(tensor) for tensor in tensors if tensor.data_type == onnx.TensorProto.INT8
    }


def test_the_bits_of_a_row_do_not_depend_on_its_position_or_its_batch(
    graphs: tuple[bytes, bytes], flow: Flow, dimension: int
) -> None:
    x = rows(flow, dimension, 1100).numpy()
    x[7] *= 1e4  # a row with steps far larger than its neighbours'
    for graph in map(Graph, graphs):
        whole = graph.run(x, block=2000)
        for start, size in ((0, 1), (1, 2), (3, 7), (5, 64), (5, 777), (1, 1000)):
            part = graph.run(x[start : start + size].copy(), block=2000)
            assert all(np.array_equal(part[name], whole[name][start : start + size]) for name in whole)


def test_the_same_flow_gives_the_same_integers(flow: Flow, small: Flow, dimension: int) -> None:
    again = quantise(flow, dimension)
    assert all(torch.equal(a.weight, b.weight) for a, b in zip(products(small), products(again), strict=True))


def test_quantising_does_not_change_the_flow(dimension: int, flow: Flow) -> None:
    before = copy.deepcopy(flow.state_dict())
    quantise(flow, dimension)
    assert all(torch.equal(value, before[name]) for name, value in flow.state_dict().items())


def test_a_row_with_large_activations_gets_its_own_scale() -> None:
    generator = torch.Generator().manual_seed(1)
    weight = torch.randint(-WEIGHT_LIMIT, WEIGHT_LIMIT + 1, (HIDDEN, 8), generator=generator)
    product = RoundedProduct(weight, torch.ones(8), torch.zeros(8))
    h = torch.rand(5, HIDDEN, generator=generator)
    assert torch.equal(product(2.0**20 * h), 2.0**20 * product(h))
    assert torch.equal(product(torch.zeros(1, HIDDEN)), torch.zeros(1, 8))


def test_a_product_with_outputs_in_few_directions_becomes_two_thin_products() -> None:
    generator = torch.Generator().manual_seed(1)
    line = torch.nn.Linear(HIDDEN, HIDDEN, dtype=torch.float64).requires_grad_(requires_grad=False)
    few = torch.rand(500, 3, generator=generator).double() @ torch.rand(3, HIDDEN, generator=generator).double()
    many = torch.rand(500, HIDDEN, generator=generator).double()
    reduce, expand = rounding.round_product(line, few)
    assert reduce.weight.shape[1] == expand.weight.shape[1] <= 4
    assert len(rounding.round_product(line, many)) == 1
    torch.testing.assert_close(expand(reduce(few)), line(few), rtol=0, atol=0.02)


REFUSED = {
    "narrow": (
        Architecture(2, 2, LEAST_HIDDEN - 1, 2, AffineCouplingSpec(limit=2.0)),
        f"this flow has hidden layers of {LEAST_HIDDEN - 1} units",
    ),
    "one hidden layer": (
        Architecture(2, 2, 512, 1, AffineCouplingSpec(limit=2.0)),
        "no product from one hidden layer to another",
    ),
    "no coupling": (
        Architecture(2, 0, 512, 2, AffineCouplingSpec(limit=2.0)),
        "no product from one hidden layer to another",
    ),
}


@pytest.mark.parametrize(("architecture", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_a_flow_with_narrow_layers_is_refused(architecture: Architecture, words: str) -> None:
    with pytest.raises(NothingToRound, match=words):
        quantise(architecture.build(torch.zeros(2), torch.ones(2)), 2)
