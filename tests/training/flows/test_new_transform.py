"""A new transform is one file and one entry: it is read from a recipe, trained, saved, exported, rounded, certified."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from diffeo.bundle import graph
from diffeo.training import export, recipe
from diffeo.training.certification.certificate import certify
from diffeo.training.certification.subject import Subject
from diffeo.training.fitting import fit
from diffeo.training.fitting.batches import fixed_rows
from diffeo.training.fitting.evaluation import mean_nll
from diffeo.training.fitting.plan import plan_fit
from diffeo.training.flows.architecture import Architecture, flow_from_bytes, flow_to_bytes
from diffeo.training.flows.conditioner import ConditionerShape
from diffeo.training.flows.flow import Flow
from diffeo.training.flows.registry import TRANSFORMS, parse_transform
from diffeo.training.int8.quantisation import quantise
from diffeo.training.int8.rounded_product import RoundedProduct
from tests.given.flows.two_slopes import TwoSlopesSpec
from tests.given.laws import LAWS, Law

RECIPE: dict[str, object] = {
    "name": "bent",
    "data": {"target": "moons"},
    "flow": {"layers": 2, "hidden": 8, "transform": {"name": "two_slopes", "limit": 1.5}},
    "fit": {"epochs": 2, "batch": 64, "learning_rate": 3e-3},
}


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TRANSFORMS, "two_slopes", TwoSlopesSpec)
        yield


def rows(count: int, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    x = torch.randn(count, 2, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    x[:, 1] = x[:, 0].abs() + 0.3 * x[:, 1]
    return x


def architecture() -> Architecture:
    return recipe.parse(RECIPE, "bent.toml").flow.architecture(2)


def fitted() -> tuple[Flow, Flow]:
    """The flow before and after two epochs."""
    settings = recipe.parse(RECIPE, "bent.toml").fit
    torch.manual_seed(0)
    state = fit.start(architecture().build(torch.zeros(2), torch.ones(2)), settings, plan_fit(settings, 1000, 2))
    before = state.best
    parts = fixed_rows(rows(1000, 1), rows(200, 2), settings.batch, settings.seed)
    while not fit.finished(state):
        fit.run_until_evaluation(state, parts)
    return before, state.best


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("flipped", [False, True], ids=["", "flipped"])
@pytest.mark.parametrize("dimension", [2, 5])
def test_it_obeys_every_law(dimension: int, *, flipped: bool, law: Law) -> None:
    layer = parse_transform({"name": "two_slopes"}).build(dimension, ConditionerShape(16, 2), flipped=flipped).double()
    generator = torch.Generator().manual_seed(3)
    for parameter in layer.requires_grad_(requires_grad=False).parameters():
        parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    law(layer, torch.randn(20, dimension, generator=generator, dtype=torch.float64))


def test_a_recipe_names_it_and_the_manifest_keeps_its_options() -> None:
    parsed = recipe.parse(RECIPE, "bent.toml")
    assert parsed.flow.transform == TwoSlopesSpec(limit=1.5)
    assert parsed.flat()["flow.transform.name"] == "two_slopes"
    assert parsed.flat()["flow.transform.limit"] == 1.5


def test_it_trains_and_survives_its_file() -> None:
    torch.manual_seed(0)
    fresh = architecture().build(torch.zeros(2), torch.ones(2))
    _, flow = fitted()
    assert mean_nll(flow, rows(500, 3)) < mean_nll(fresh, rows(500, 3)) - 0.1
    again = flow_from_bytes(flow_to_bytes(flow, architecture()))
    assert torch.equal(again.log_prob(rows(50, 4)), flow.log_prob(rows(50, 4)))


def test_its_graphs_are_certified_and_allowed_in_a_bundle() -> None:
    _, flow = fitted()
    forward, inverse = export.to_onnx(flow, 2, "float32")
    graph.inspect("forward.onnx", forward, 2, "float32")
    graph.inspect("inverse.onnx", inverse, 2, "float32")
    data = rows(500, 5).double().numpy()
    certificate = certify(Subject(flow, {"forward.onnx": forward, "inverse.onnx": inverse}, data))
    assert all(check.holds for check in certificate.checks)


def test_its_hidden_products_are_rounded_to_8_bit_integers() -> None:
    torch.manual_seed(1)
    wide = Architecture(2, 2, 256, 2, TwoSlopesSpec()).build(torch.zeros(2), torch.ones(2))
    rounded = quantise(wide, 2)
    assert sum(isinstance(module, RoundedProduct) for module in rounded.modules()) == 2
