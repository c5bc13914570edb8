"""Each metric has its known value on simple flows and samples."""

import math

import numpy as np
import pytest
import torch

from diffeo.training.flows.affine import AffineCouplingSpec
from diffeo.training.flows.architecture import Architecture
from diffeo.training.flows.flow import Flow
from diffeo.training.flows.registry import coupling_from_keys
from diffeo.training.study import metrics
from diffeo.training.study.populations import Population


def scaled_normal(columns: int, scale: float = 1.0) -> Flow:
    flow = Architecture(columns, 2, 4, 1, AffineCouplingSpec(limit=1.0)).build(
        torch.zeros(columns), torch.full((columns,), scale)
    )
    return flow.requires_grad_(requires_grad=False)


def normal(rows: int, columns: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, columns))


def test_the_kl_of_the_true_law_is_zero() -> None:
    x = normal(500, 2, 0)
    truth = -0.5 * (x**2).sum(axis=1) - math.log(2 * math.pi)
    values = metrics.likelihood(scaled_normal(2), Population(x, x, x, truth))
    assert values["kl"] == pytest.approx(0, abs=1e-12)
    assert values["nll"] == pytest.approx(-truth.mean())


def test_the_kl_of_a_normal_that_is_twice_too_wide_matches_its_formula() -> None:
    x = normal(200_000, 2, 1)
    truth = -0.5 * (x**2).sum(axis=1) - math.log(2 * math.pi)
    values = metrics.likelihood(scaled_normal(2, 2.0), Population(x, x, x, truth))
    assert values["kl"] == pytest.approx(2 * (math.log(2) + 1 / 8 - 1 / 2), abs=4 * values["kl_error"])
    assert values["mean_ladj"] == pytest.approx(-2 * math.log(2))


def test_the_entropy_of_samples_of_a_normal_matches_its_formula() -> None:
    drawn, entropy = metrics.samples(scaled_normal(3, 2.0), 3)
    assert drawn.std() == pytest.approx(2, rel=0.02)
    assert entropy == pytest.approx(1.5 * math.log(2 * math.pi * math.e) + 3 * math.log(2), abs=0.05)


def test_samples_of_the_truth_have_its_coverage_and_density() -> None:
    values = metrics.neighbourhoods(normal(2000, 2, 0), normal(2000, 2, 1))
    assert values["coverage"] == pytest.approx(1 - 2**-5, abs=0.02)
    assert values["density"] == pytest.approx(1, abs=0.06)


def test_samples_of_half_the_law_cover_half_of_the_data() -> None:
    drawn = normal(2000, 2, 1)
    drawn[:, 0] = np.abs(drawn[:, 0])
    assert metrics.neighbourhoods(normal(2000, 2, 0), drawn)["coverage"] == pytest.approx(0.5, abs=0.05)


def test_samples_far_from_the_data_cover_nothing() -> None:
    assert metrics.neighbourhoods(normal(500, 2, 0), normal(500, 2, 1) + 100) == {"coverage": 0.0, "density": 0.0}


def test_the_identity_has_no_float32_error() -> None:
    values = metrics.float32_errors(scaled_normal(2), normal(300, 2, 2))
    assert values["round_trip"] == 0
    assert values["log_prob_error"] < 1e-5
    assert values["refused"] == 0


def triangular(block: int, det: float | None) -> Flow:
    torch.manual_seed(1)
    flow = Architecture(6, 2, 4, 1, coupling_from_keys(1.0, block, det)).build(torch.zeros(6), torch.ones(6))
    flow.requires_grad_(requires_grad=False)
    for parameter in flow.parameters():
        parameter.add_(0.5 * torch.randn(parameter.shape))
    return flow


def test_a_flow_without_matrices_has_perfect_condition() -> None:
    assert metrics.matrices(scaled_normal(2)) == {"condition": 1.0, "log_det_a": 0.0, "diagonal_error": 0.0}


def test_fixed_determinants_add_up_over_layers() -> None:
    assert metrics.matrices(triangular(2, 10.0))["log_det_a"] == pytest.approx(2 * math.log(10))


def test_the_product_of_the_diagonal_is_the_determinant_only_of_a_triangle() -> None:
    assert metrics.matrices(triangular(1, None))["diagonal_error"] < 1e-12
    assert metrics.matrices(triangular(2, None))["diagonal_error"] > 1e-3


def test_a_matrix_that_cannot_be_served_is_counted_as_refused() -> None:
    flow = triangular(1, None)
    flow.get_parameter("transforms.1.matrix.diagonal")[0] = 20.0
    assert metrics.float32_errors(flow, normal(50, 6, 0))["refused"] == 1
