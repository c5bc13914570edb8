"""A is block lower triangular, its parameters give its determinant, and it is exported as constants."""

import math

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffeo.training import export
from diffeo.training.errors import IllConditioned
from diffeo.training.flows.architecture import Architecture
from diffeo.training.flows.matrix import BlockTriangular
from diffeo.training.flows.triangular_coupling import TriangularCoupling, TriangularCouplingSpec
from diffeo.training.graph_session import Graph

SIZES = st.integers(1, 9)


def random(dimension: int, block: int, det: float | None = None, seed: int = 0) -> BlockTriangular:
    generator = torch.Generator().manual_seed(seed)
    matrix = BlockTriangular(dimension, block, det).double().requires_grad_(requires_grad=False)
    for parameter in matrix.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return matrix


@given(dimension=SIZES, block=SIZES, seed=st.integers(0, 99))
def test_blocks_above_the_diagonal_are_zero_and_everything_else_is_free(dimension: int, block: int, seed: int) -> None:
    a = random(dimension, block, seed=seed).forward()
    block_of = torch.arange(dimension) // block
    above = block_of[:, None] < block_of[None, :]
    assert (a[above] == 0).all()
    assert (a[~above] != 0).all()


@given(dimension=SIZES, block=SIZES, seed=st.integers(0, 99))
def test_the_determinant_follows_from_the_parameters(dimension: int, block: int, seed: int) -> None:
    matrix = random(dimension, block, seed=seed)
    sign, ladj = torch.linalg.slogdet(matrix.forward())
    assert sign == 1
    assert float(matrix.log_abs_det()) == pytest.approx(float(ladj), abs=1e-9)


@given(dimension=SIZES, seed=st.integers(0, 99))
def test_blocks_of_size_one_make_a_triangle_with_a_positive_diagonal(dimension: int, seed: int) -> None:
    matrix = random(dimension, 1, seed=seed)
    diagonal = torch.diagonal(matrix.forward())
    assert (diagonal > 0).all()
    assert float(torch.log(diagonal).sum()) == pytest.approx(float(matrix.log_abs_det()), abs=1e-12)


@given(det=st.sampled_from([0.01, 0.1, 1.0, 10.0, 100.0]), dimension=SIZES, block=SIZES, seed=st.integers(0, 99))
def test_a_held_determinant_does_not_depend_on_the_parameters(
    det: float, dimension: int, block: int, seed: int
) -> None:
    a = random(dimension, block, det, seed).forward()
    assert float(torch.linalg.det(a)) == pytest.approx(det, rel=1e-6)


def test_the_number_of_parameters_has_no_redundancy() -> None:
    # d (d + 1) / 2 numbers at block size 1; every larger block adds its upper triangle.
    assert sum(p.numel() for p in BlockTriangular(5, 1, None).parameters()) == 15
    assert sum(p.numel() for p in BlockTriangular(5, 2, None).parameters()) == 15 + 2
    assert sum(p.numel() for p in BlockTriangular(5, 5, None).parameters()) == 25


@pytest.mark.parametrize("det", [None, 4.0])
def test_a_fresh_matrix_scales_evenly(det: float | None) -> None:
    a = BlockTriangular(2, 1, det).forward().detach()
    torch.testing.assert_close(a, torch.eye(2) * (1.0 if det is None else 2.0))


@pytest.mark.parametrize("condition", [1e5, 1e7])
def test_a_matrix_is_refused_with_its_condition_number_beyond_a_million(condition: float) -> None:
    matrix = random(2, 1)
    matrix.free.zero_()
    matrix.diagonal.copy_(torch.tensor([math.log(condition), 0.0]))
    if condition < 1e6:
        assert float(matrix.frozen().inverse[0, 0]) == pytest.approx(1 / condition)
        return
    with pytest.raises(IllConditioned, match=r"condition number 1e\+07"):
        matrix.frozen()


def test_a_matrix_that_is_not_finite_is_refused() -> None:
    matrix = random(2, 1)
    matrix.diagonal.fill_(torch.inf)
    with pytest.raises(IllConditioned, match="condition number nan"):
        matrix.frozen()


def test_graphs_hold_the_matrix_and_its_inverse_as_constants_one_product_each_way() -> None:
    torch.manual_seed(2)
    flow = Architecture(8, 1, 16, 1, TriangularCouplingSpec(block=2, limit=2.0)).build(torch.zeros(8), torch.ones(8))
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    layer = flow.double().transforms[1]
    assert isinstance(layer, TriangularCoupling)
    assert isinstance(layer.matrix, BlockTriangular)
    a = layer.matrix.forward().detach().numpy()
    files = export.to_onnx(flow.float(), 8, "float32")
    for content, expected in zip(files, (a, np.linalg.inv(a)), strict=True):
        model = onnx.load_from_string(content)
        constants = [onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer]
        held = [c for c in constants if c.shape == (4, 4)]
        assert len(held) == 1
        np.testing.assert_allclose(held[0].T, expected, rtol=1e-6, atol=1e-7)
        assert not {"Inverse", "Det", "ScatterND", "ScatterElements"} & {node.op_type for node in model.graph.node}
    forward, inverse = map(Graph, files)
    z = torch.randn(50, 8).numpy()
    x = inverse.run(z)
    np.testing.assert_allclose(forward.run(x["x"])["z"], z, atol=1e-5)
    np.testing.assert_allclose(forward.run(x["x"])["log_prob"], x["log_prob"], atol=1e-4)
