"""A linear map of given rows whitens them; behind a standardisation it is exactly one full-covariance Gaussian."""

import numpy as np
import pytest
import torch
from scipy import stats

from diffeo.training.errors import IllConditioned
from diffeo.training.flows.affine import AffineCouplingSpec
from diffeo.training.flows.architecture import Architecture
from diffeo.training.flows.linear import Linear
from diffeo.training.flows.matrix import BlockTriangular
from diffeo.training.flows.permutation import Permutation


def correlated(rows: int, dimension: int, spread: float = 1.0) -> torch.Tensor:
    """Standardised rows with correlated columns; a small spread makes them nearly collinear."""
    generator = torch.Generator().manual_seed(dimension)
    mixed = torch.randn(rows, dimension, generator=generator, dtype=torch.float64)
    mixed[:, 1:] = mixed[:, :1] + spread * mixed[:, 1:]
    return (mixed - mixed.mean(dim=0)) / mixed.std(dim=0)


@pytest.mark.parametrize("dimension", [1, 2, 5, 20])
def test_standardisation_and_linear_map_are_one_gaussian_with_full_covariance(dimension: int) -> None:
    scale, mean = torch.logspace(-3, 3, dimension).double(), torch.linspace(-50, 50, dimension).double()
    standard = correlated(2000, dimension)
    rows = standard * scale + mean
    architecture = Architecture(dimension, 0, 1, 1, AffineCouplingSpec(), linear="first")
    flow = architecture.build(rows.mean(dim=0), rows.std(dim=0), rows=rows).double().requires_grad_(requires_grad=False)
    covariance = np.cov(standard.numpy().T, bias=True).reshape(dimension, dimension)
    gaussian = stats.multivariate_normal(np.zeros(dimension), covariance)
    expected = gaussian.logpdf(standard[:100].numpy()) - float(scale.log().sum())
    np.testing.assert_allclose(flow.log_prob(rows[:100]).numpy(), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("dimension", [1, 2, 5, 20])
def test_a_fitted_map_whitens_its_rows(dimension: int) -> None:
    rows = 3 + 5 * correlated(2000, dimension)
    z, _ = Linear.fitted(rows).requires_grad_(requires_grad=False).forward(rows)
    torch.testing.assert_close(z.mean(dim=0), torch.zeros(dimension).double(), rtol=0, atol=1e-6)
    torch.testing.assert_close(z.T @ z / 2000, torch.eye(dimension).double(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("spread", [1e-4, 1e-7, 0.0], ids=["nearly collinear", "more so", "collinear"])
@pytest.mark.parametrize("rows", [3, 2000], ids=["fewer rows than columns", "many rows"])
def test_collinear_rows_give_a_matrix_that_can_be_exported(rows: int, spread: float) -> None:
    linear = Linear.fitted(correlated(rows, 5, spread))
    assert isinstance(linear.matrix, BlockTriangular)
    assert float(torch.linalg.cond(linear.matrix.forward().detach())) <= 1.01e5
    linear.frozen()


def test_a_matrix_beyond_a_million_is_refused_with_a_remedy() -> None:
    linear = Linear(2)
    assert isinstance(linear.matrix, BlockTriangular)
    linear.matrix.set_triangle(torch.tensor([[1e7, 0.0], [0.0, 1.0]]))
    with pytest.raises(IllConditioned, match=r'condition number 1e\+07.*linear = "none"'):
        linear.frozen()


@pytest.mark.parametrize("dimension", range(2, 65))
def test_shuffles_bring_each_two_columns_into_different_halves(dimension: int) -> None:
    order = torch.arange(dimension, dtype=torch.float64)[None]
    apart = torch.zeros(dimension, dimension, dtype=torch.bool)
    for _ in range(6):
        first = torch.zeros(dimension, dtype=torch.bool)
        first[order[0, : dimension // 2].long()] = True
        apart |= first[:, None] != first[None, :]
        order, _ = Permutation(dimension).forward(order)
    assert bool((apart | torch.eye(dimension, dtype=torch.bool)).all())
