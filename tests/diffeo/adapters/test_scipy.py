"""A flow that is a normal distribution has the shapes and numbers of scipy.stats.multivariate_normal."""

import numpy as np
import pytest
from scipy import stats

from diffeo.adapters.scipy import Array, FlowDistribution
from diffeo.density import Density
from tests.given.flows import affine
from tests.given.flows.standard_normal import StandardNormal

LAW = stats.multivariate_normal(affine.MEAN, np.diag(affine.SCALE**2))
RNG = np.random.default_rng(1)
POINTS = [RNG.normal(size=shape) for shape in [(2,), (1, 2), (5, 2), (3, 4, 2), (1, 1, 2), (0, 2)]]


@pytest.mark.parametrize("x", POINTS, ids=lambda x: str(x.shape))
def test_densities_have_the_shape_type_and_numbers_of_scipy(flow: Density, x: np.ndarray) -> None:
    ours = FlowDistribution(flow)
    for name in ("logpdf", "pdf"):
        mine, theirs = getattr(ours, name)(x), getattr(LAW, name)(x)
        assert (np.shape(mine), type(mine), mine.dtype) == (np.shape(theirs), type(theirs), theirs.dtype)
        np.testing.assert_allclose(mine, theirs, rtol=1e-5)


@pytest.mark.parametrize("size", [1, 5, (), (1,), (4,), (2, 3), (1, 1), 0], ids=str)
def test_samples_have_the_shapes_of_scipy(flow: Density, size: int | tuple[int, ...]) -> None:
    ours = FlowDistribution(flow).rvs(size, random_state=7)
    # SciPy takes any size; the types of its stubs do not.
    theirs = LAW.rvs(random_state=7) if size == () else LAW.rvs(size, random_state=7)  # type: ignore[arg-type]
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)


@pytest.mark.parametrize("dimension", [1, 3])
def test_a_vector_is_one_point_or_in_one_dimension_many_points(dimension: int) -> None:
    ours, theirs = FlowDistribution(StandardNormal(dimension)), stats.multivariate_normal(np.zeros(dimension))
    for x in (np.zeros(3), 0.5)[: 2 if dimension == 1 else 1]:
        assert np.shape(ours.logpdf(x)) == np.shape(theirs.logpdf(x))
        np.testing.assert_allclose(ours.logpdf(x), theirs.logpdf(x))
    assert np.shape(ours.rvs(4)) == np.shape(theirs.rvs(4))


def test_points_with_another_number_of_components_are_an_error(flow: Density) -> None:
    with pytest.raises(ValueError, match="points have 3 components; this flow takes 2"):
        FlowDistribution(flow).logpdf(np.zeros((4, 3)))


def test_the_same_random_state_gives_the_same_sample(flow: Density) -> None:
    ours = FlowDistribution(flow)
    assert ours.rvs(3, random_state=7).tobytes() == ours.rvs(3, random_state=np.int64(7)).tobytes()
    for make in (np.random.default_rng, np.random.RandomState):
        state = make(1)
        first, second = ours.rvs(3, random_state=state), ours.rvs(3, random_state=state)
        assert first.tobytes() != second.tobytes()
        assert first.tobytes() == ours.rvs(3, random_state=make(1)).tobytes()
    np.random.seed(3)  # noqa: NPY002  (many users of SciPy do this)
    first = ours.rvs(3)
    np.random.seed(3)  # noqa: NPY002  (as above)
    assert ours.rvs(3).tobytes() == first.tobytes()
    assert FlowDistribution(flow, seed=7).rvs(3).tobytes() == ours.rvs(3, random_state=7).tobytes()


def test_a_sample_passes_scipys_tests_of_its_distribution(flow: Density) -> None:
    x = FlowDistribution(flow).rvs(5000, random_state=3)
    for column in range(2):
        law = stats.norm(affine.MEAN[column], affine.SCALE[column])
        assert stats.kstest(x[:, column], law.cdf).pvalue > 0.001
    assert stats.pearsonr(x[:, 0], x[:, 1]).pvalue > 0.001


def test_scipy_accepts_the_flow_where_it_takes_a_distribution(flow: Density) -> None:
    ours = FlowDistribution(flow, seed=np.random.default_rng(5))
    sample = ours.rvs(200, random_state=11)[:, 0]

    def rvs(size: tuple[int, ...]) -> Array:
        return ours.rvs(size)[..., 0]

    def mean(values: Array, axis: int) -> Array:
        return np.asarray(values.mean(axis=axis))

    assert stats.monte_carlo_test(sample, rvs, mean, n_resamples=99).pvalue > 0.01
    assert stats.monte_carlo_test(sample + 3, rvs, mean, n_resamples=99).pvalue <= 0.05
