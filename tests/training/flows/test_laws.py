"""Every transform of the registry, and every flow, obeys every law. A new transform is one new line in REGISTERED."""

import math
from typing import TypeVar

import pytest
import torch
from torch import nn

from diffeo.training.flows.affine import AffineMap
from diffeo.training.flows.architecture import Architecture
from diffeo.training.flows.conditioner import ConditionerShape
from diffeo.training.flows.coupling import Coupling, Halves
from diffeo.training.flows.flow import Flow
from diffeo.training.flows.linear import Linear
from diffeo.training.flows.matrix import BlockTriangular
from diffeo.training.flows.permutation import Permutation
from diffeo.training.flows.registry import TRANSFORMS, coupling_from_keys, parse_transform
from diffeo.training.flows.splines.coupling import SplineCouplingSpec
from diffeo.training.flows.splines.marginal import MarginalSpline
from diffeo.training.flows.standardise import Standardise
from diffeo.training.flows.tails import Tails
from diffeo.training.flows.transform import Transform
from diffeo.training.flows.triangular_coupling import TriangularCoupling
from tests.given.laws import LAWS, Law

Module = TypeVar("Module", bound=nn.Module)
SHAPE = ConditionerShape(16, 2)
RESIDUAL = ConditionerShape(16, 2, residual=True, dropout=0.2)


def trained(transform: Module, spread: float = 0.5) -> Module:
    """The transform in float64 with weights away from the identity, of the size that training gives."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in transform.parameters():
            parameter.add_(spread * torch.randn(parameter.shape, generator=generator) / math.sqrt(parameter.shape[-1]))
    return transform.double().requires_grad_(requires_grad=False)


def coupling(dimension: int, *, flipped: bool) -> Coupling:
    return trained(Coupling(Halves(dimension, flipped), AffineMap(2.0), SHAPE))


def triangular(dimension: int, block: int, det: float | None = None, *, flipped: bool = False) -> TriangularCoupling:
    halves = Halves(dimension, flipped)
    matrix = BlockTriangular(halves.passing, block, det)
    return trained(TriangularCoupling(halves, AffineMap(2.0), SHAPE, matrix))


def flow(dimension: int, layers: int, block: int = 0) -> Flow:
    mean, scale = torch.linspace(-5, 100, dimension), torch.linspace(0.1, 30, dimension)
    return trained(Architecture(dimension, layers, 16, 2, coupling_from_keys(2.0, block)).build(mean, scale))


def whole(dimension: int, layers: int, marginals: int = 6) -> Flow:
    """A flow with every part that an architecture can have."""
    architecture = Architecture(
        dimension, layers, 16, 2, SplineCouplingSpec(bins=5), marginals, "full", permuted=True,
        residual=True, dropout=0.2, tails=True, noise=0.1,
    )  # fmt: skip
    mean, scale = torch.linspace(-5, 100, dimension), torch.linspace(0.1, 30, dimension)
    return trained(architecture.build(mean, scale, rows=mean + scale * skewed(dimension)))


def skewed(dimension: int) -> torch.Tensor:
    """Rows [1000, D] with skewed and correlated columns."""
    rows = torch.randn(1000, dimension, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    return torch.exp(0.7 * rows + 0.5 * rows[:, :1]) - 1


# Each transform of the registry with the options to try, as a recipe would hold them.
REGISTERED: dict[str, list[dict[str, object]]] = {
    "affine_coupling": [{"limit": 2.0}],
    "spline_coupling": [{}, {"bins": 5, "bound": 1.5, "limit": 3.0}, {"bins": 2}],
    "triangular_coupling": [{"limit": 2.0}, {"limit": 2.0, "block": 2}, {"limit": 2.0, "block": 3, "det": 0.01}],
}

INSTANCES: dict[str, tuple[Transform | Flow, int]] = {
    "standardise": (Standardise(torch.tensor([1.0, -2.0, 0.0]), torch.tensor([2.0, 1e-3, 1e4])).double(), 3),
    "coupling in the plane": (coupling(2, flipped=False), 2),
    "flipped coupling in the plane": (coupling(2, flipped=True), 2),
    "coupling of odd dimension": (coupling(5, flipped=False), 5),
    "flipped coupling of odd dimension": (coupling(5, flipped=True), 5),
    "triangular coupling in the plane": (triangular(2, 1), 2),
    "triangular coupling": (triangular(8, 1), 8),
    "triangular coupling with a held determinant": (triangular(8, 1, 0.01), 8),
    "block triangular coupling": (triangular(8, 2), 8),
    "block triangular coupling of one block": (triangular(6, 3), 6),
    "flipped block triangular coupling of odd dimension": (triangular(9, 2, 100.0, flipped=True), 9),
    "frozen block triangular coupling": (triangular(8, 2).frozen(), 8),
    "linear": (trained(Linear(5)), 5),
    "fitted linear": (Linear.fitted(skewed(4)).requires_grad_(requires_grad=False), 4),
    "frozen linear": (trained(Linear(5)).frozen(), 5),
    "linear of one column": (trained(Linear(1)), 1),
    "full linear": (trained(Linear(5, full=True)), 5),
    "frozen full linear": (trained(Linear(5, full=True)).frozen(), 5),
    "tails": (trained(Tails.fresh(5)), 5),
    "fitted tails": (Tails.fitted(skewed(3)).requires_grad_(requires_grad=False), 3),
    "frozen tails": (trained(Tails.fitted(skewed(3))).frozen(), 3),
    "residual coupling": (trained(Coupling(Halves(5, flipped=True), AffineMap(2.0), RESIDUAL)), 5),
    "permutation": (Permutation(5), 5),
    "marginal splines": (trained(MarginalSpline(5, 8)), 5),
    "marginal spline of one column": (trained(MarginalSpline(1, 8)), 1),
    "fitted marginal splines": (MarginalSpline.fitted(skewed(3), 16).requires_grad_(requires_grad=False), 3),
    "frozen marginal splines": (trained(MarginalSpline(5, 8)).frozen(), 5),
    "frozen marginal spline of one column": (trained(MarginalSpline(1, 8)).frozen(), 1),
    "flow of one column": (whole(1, 4), 1),
    "flow of every part in the plane": (whole(2, 3), 2),
    "flow of every part": (whole(5, 5), 5),
    "frozen flow of every part": (whole(5, 5).frozen(), 5),
    "flow without couplings": (flow(2, 0), 2),
    "flow of one coupling": (flow(3, 1), 3),
    "flow of four couplings": (flow(4, 4), 4),
    "flow of three triangular couplings": (flow(5, 3, block=2), 5),
}


def rows(dimension: int) -> torch.Tensor:
    return torch.randn(20, dimension, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", INSTANCES)
def test_every_transform_obeys_every_law(name: str, law: Law) -> None:
    transform, dimension = INSTANCES[name]
    law(transform, rows(dimension))


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("flipped", [False, True], ids=["", "flipped"])
@pytest.mark.parametrize("dimension", [2, 5, 8])
@pytest.mark.parametrize(
    "description",
    [{"name": name, **options} for name, tried in REGISTERED.items() for options in tried],
    ids=lambda description: " ".join(map(str, description.values())),
)
def test_every_registered_transform_obeys_every_law(
    description: dict[str, object], dimension: int, *, flipped: bool, law: Law
) -> None:
    law(trained(parse_transform(description).build(dimension, SHAPE, flipped=flipped)), rows(dimension))


def test_every_registered_transform_is_tested_here() -> None:
    assert REGISTERED.keys() == TRANSFORMS.keys()


@pytest.mark.parametrize("name", REGISTERED)
def test_a_fresh_transform_is_the_identity_or_an_even_scaling(name: str) -> None:
    fresh = parse_transform({"name": name}).build(5, SHAPE, flipped=False).double()
    x = rows(5)
    z, _ = fresh.requires_grad_(requires_grad=False).forward(x)
    torch.testing.assert_close(z, x, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "fresh", [Linear(5), MarginalSpline(5, 8), MarginalSpline(1, 8)], ids=lambda fresh: type(fresh).__name__
)
def test_a_fresh_transform_before_the_couplings_is_the_identity(fresh: Transform) -> None:
    x = 3 * rows(5 if isinstance(fresh, Linear) else len(fresh.state_dict()["knots.first_x"]))
    z, ladj = fresh.double().requires_grad_(requires_grad=False).forward(x)
    torch.testing.assert_close(z, x, rtol=1e-6, atol=1e-6)  # its numbers were rounded to float32
    torch.testing.assert_close(ladj, torch.zeros_like(ladj), rtol=0, atol=1e-5)
