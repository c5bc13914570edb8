"""A flow that is a normal distribution behaves as torch's own normal distribution, also inside torch's wrappers."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.distributions import AffineTransform, Independent, Normal, TransformedDistribution

from diffeo.adapters.torch import FlowDistribution
from diffeo.density import Density
from tests.given.flows import affine

LAW = Independent(Normal(torch.tensor(affine.MEAN), torch.tensor(affine.SCALE)), 1)
LAW_LOG_PROB: Callable[[torch.Tensor], torch.Tensor] = LAW.log_prob
SHAPES = [(), (1,), (5,), (2, 3)]


@pytest.fixture
def ours(flow: Density) -> FlowDistribution:
    return FlowDistribution(flow, validate_args=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [*SHAPES, (3, 1, 2)], ids=str)
def test_log_prob_has_the_shape_and_numbers_of_torch(
    ours: FlowDistribution, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    value = torch.randn(*shape, 2, generator=torch.Generator().manual_seed(1), dtype=dtype)
    torch.testing.assert_close(ours.log_prob(value), LAW_LOG_PROB(value).to(dtype), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("batch", SHAPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_samples_and_expanded_distributions_have_the_shapes_of_torch(
    ours: FlowDistribution, shape: tuple[int, ...], batch: tuple[int, ...]
) -> None:
    expanded, theirs = ours.expand(batch), LAW.expand(batch)  # type: ignore[no-untyped-call]  # torch's own
    assert (expanded.batch_shape, expanded.event_shape) == (theirs.batch_shape, theirs.event_shape)
    drawn = expanded.sample(shape)
    assert drawn.shape == theirs.sample(shape).shape
    assert expanded.log_prob(drawn).shape == theirs.log_prob(drawn.double()).shape
    one = torch.zeros(2)
    assert expanded.log_prob(one).shape == theirs.log_prob(one.double()).shape


def test_zero_points_have_zero_densities(flow: Density) -> None:
    # torch's validation fails for zero points, so it is off here.
    unchecked = FlowDistribution(flow, validate_args=False)
    drawn = unchecked.sample((0,))
    assert drawn.shape == (0, 2)
    assert unchecked.log_prob(drawn).shape == (0,)


def test_manual_seed_makes_a_sample_repeatable(ours: FlowDistribution) -> None:
    torch.manual_seed(3)
    first, second = ours.sample((4,)), ours.sample((4,))
    assert not torch.equal(first, second)
    torch.manual_seed(3)
    assert torch.equal(ours.sample((4,)), first)


def test_a_sample_has_the_mean_and_deviation_of_the_distribution(ours: FlowDistribution) -> None:
    torch.manual_seed(1)
    drawn = ours.sample((20_000,)).double()
    torch.testing.assert_close(drawn.mean(0), LAW.mean, rtol=0.05, atol=0.05)
    torch.testing.assert_close(drawn.std(0), LAW.stddev, rtol=0.02, atol=0)


def test_a_flow_works_inside_torchs_wrappers(ours: FlowDistribution) -> None:
    shift = AffineTransform(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 0.5]), event_dim=1)
    our_log_prob: Callable[[torch.Tensor], torch.Tensor] = TransformedDistribution(ours, [shift]).log_prob
    their_log_prob: Callable[[torch.Tensor], torch.Tensor] = TransformedDistribution(LAW, [shift]).log_prob
    value = torch.randn(6, 2, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(our_log_prob(value).double(), their_log_prob(value.double()), rtol=1e-5, atol=1e-5)
    independent_log_prob: Callable[[torch.Tensor], torch.Tensor] = Independent(ours.expand((3,)), 1).log_prob
    assert independent_log_prob(torch.zeros(5, 3, 2)).shape == (5,)


def test_torchs_validation_refuses_values_that_are_not_points(ours: FlowDistribution) -> None:
    for value in (torch.tensor([0.0, float("nan")]), torch.zeros(3)):
        with pytest.raises(ValueError, match=r"within the support|event"):
            ours.log_prob(value)
    check_support: Callable[[torch.Tensor], torch.Tensor] = ours.support.check
    assert check_support(torch.zeros(4, 2)).shape == (4,)


def test_a_value_that_requires_a_gradient_is_an_error(ours: FlowDistribution) -> None:
    value = torch.zeros(2, requires_grad=True)
    with pytest.raises(NotImplementedError, match="no gradient"):
        ours.log_prob(value)
    with torch.no_grad():
        assert ours.log_prob(value) == ours.log_prob(value.detach())
    assert not ours.has_rsample
    with pytest.raises(NotImplementedError):
        ours.rsample()


def test_log_prob_returns_the_numbers_of_the_flow(ours: FlowDistribution, flow: Density) -> None:
    x = np.random.default_rng(2).normal(size=(50, 2)).astype(np.float32)
    assert ours.log_prob(torch.from_numpy(x)).numpy().tobytes() == flow.log_prob(x).tobytes()
