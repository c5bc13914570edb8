"""A flow survives its file bit for bit; files of older versions load; a wrong description is refused by name."""

import json

import pytest
import torch

from diffeo.training.errors import BadTransform
from diffeo.training.flows.affine import AffineCouplingSpec
from diffeo.training.flows.architecture import Architecture, flow_from_bytes, flow_to_bytes
from diffeo.training.flows.registry import TRANSFORMS, coupling_from_keys, describe_transform, parse_transform
from diffeo.training.flows.splines.coupling import SplineCouplingSpec
from diffeo.training.flows.triangular_coupling import TriangularCouplingSpec

ROWS = (
    torch.randn(500, 3, generator=torch.Generator().manual_seed(0)).double()
    @ torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, -1.0], [0.0, 0.0, 1.0]]).double().exp()
)
SPECS = [
    AffineCouplingSpec(limit=2.5), TriangularCouplingSpec(block=2), TriangularCouplingSpec(block=1, det=3.0),
    SplineCouplingSpec(bins=4),
]  # fmt: skip
ARCHITECTURES = [
    *(Architecture(3, 2, 8, 2, spec) for spec in SPECS),
    Architecture(3, 2, 8, 2, AffineCouplingSpec(), linear="first"),
    Architecture(3, 2, 8, 2, AffineCouplingSpec(), marginals=4, linear="between"),
    Architecture(3, 5, 8, 2, SplineCouplingSpec(), marginals=4, linear="between", permuted=True),
]


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_flow_survives_its_file_bit_for_bit(dtype: torch.dtype, architecture: Architecture) -> None:
    before = architecture.build(torch.tensor([1.7e9, 0, 1], dtype=dtype), torch.ones(3, dtype=dtype), rows=ROWS)
    after = flow_from_bytes(flow_to_bytes(before, architecture))
    assert {name: (value.dtype, value.tolist()) for name, value in before.state_dict().items()} == {
        name: (value.dtype, value.tolist()) for name, value in after.state_dict().items()
    }


OLD_HEADERS = {
    "before block and det": ({"limit": 3.0}, AffineCouplingSpec(limit=3.0)),
    "affine": ({"limit": 3.0, "block": 0, "det": None}, AffineCouplingSpec(limit=3.0)),
    "triangular": ({"limit": 2.0, "block": 2, "det": None}, TriangularCouplingSpec(block=2, limit=2.0)),
    "held": ({"limit": 2.0, "block": 1, "det": 0.1}, TriangularCouplingSpec(block=1, det=0.1, limit=2.0)),
}


@pytest.mark.parametrize(("keys", "spec"), OLD_HEADERS.values(), ids=OLD_HEADERS.keys())
def test_the_headers_of_older_files_are_read(keys: dict[str, object], spec: TriangularCouplingSpec) -> None:
    text = json.dumps({"dimension": 2, "layers": 12, "hidden": 64, "depth": 2, **keys})
    assert Architecture.from_json(text) == Architecture(2, 12, 64, 2, spec)


def test_a_header_without_further_parts_is_as_it_was_before_there_were_any() -> None:
    text = Architecture(2, 12, 64, 2, AffineCouplingSpec()).to_json()
    assert json.loads(text).keys() == {"dimension", "layers", "hidden", "depth", "transform"}


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_a_header_is_read_as_it_was_written(architecture: Architecture) -> None:
    assert Architecture.from_json(architecture.to_json()) == architecture


@pytest.mark.parametrize("name", TRANSFORMS)
def test_every_transform_of_the_registry_has_defaults_and_is_described_by_its_name(name: str) -> None:
    spec = parse_transform({"name": name})
    assert describe_transform(spec)["name"] == name
    assert parse_transform(describe_transform(spec)) == spec


def test_the_keys_of_a_recipe_choose_between_affine_and_triangular() -> None:
    assert coupling_from_keys(2.0) == AffineCouplingSpec(limit=2.0)
    assert coupling_from_keys(2.0, 3, 0.5) == TriangularCouplingSpec(block=3, det=0.5, limit=2.0)


WRONG = {
    "no name": ({}, "no transform has the name None; choose one of affine_coupling, spline_coupling, triangular_cou"),
    "an unknown name": ({"name": "spline"}, "no transform has the name 'spline'"),
    "an unknown option": ({"name": "affine_coupling", "block": 1}, "affine_coupling: block: "),
    "an option out of range": ({"name": "triangular_coupling", "block": 0}, "triangular_coupling: block: .*than or eq"),
    "text for a number": ({"name": "affine_coupling", "limit": "3"}, "affine_coupling: limit: "),
}


@pytest.mark.parametrize(("description", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_description_is_refused_by_name(description: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadTransform, match=sentence):
        parse_transform(description)


def names(architecture: Architecture) -> list[str]:
    columns = torch.ones(architecture.dimension)
    return [type(transform).__name__ for transform in architecture.build(columns, columns).transforms]


def test_the_parts_of_a_flow_stand_in_one_order() -> None:
    spec = AffineCouplingSpec()
    assert names(Architecture(4, 2, 8, 1, spec)) == ["Standardise", "Coupling", "Coupling"]
    assert names(Architecture(4, 2, 8, 1, spec, linear="first")) == ["Standardise", "Linear", "Coupling", "Coupling"]
    assert names(Architecture(4, 3, 8, 1, spec, marginals=8, linear="between", permuted=True)) == [
        "Standardise", "MarginalSpline", "Linear", "Coupling", "Linear", "Coupling",
        "Permutation", "Linear", "Coupling",
    ]  # fmt: skip


@pytest.mark.parametrize("layers", [0, 4])
def test_a_flow_of_one_column_has_no_coupling(layers: int) -> None:
    architecture = Architecture(1, layers, 8, 1, AffineCouplingSpec(), marginals=8, linear="first", permuted=True)
    assert names(architecture) == ["Standardise", "MarginalSpline", "Linear"]


def test_rows_start_the_splines_and_the_first_linear_map() -> None:
    architecture = Architecture(3, 2, 8, 1, AffineCouplingSpec(), marginals=16, linear="between")
    flow = architecture.build(ROWS.mean(dim=0), ROWS.std(dim=0), rows=ROWS).double().requires_grad_(requires_grad=False)
    z, _ = flow.forward(ROWS)
    torch.testing.assert_close(z.T @ z / len(z), torch.eye(3).double(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("parts", [{}, {"marginals": 8}, {"linear": "between"}, {"permuted": True}], ids=str)
def test_a_flow_without_rows_starts_as_the_standardisation_up_to_the_order_of_the_columns(
    parts: dict[str, object],
) -> None:
    architecture = Architecture(3, 3, 8, 1, SplineCouplingSpec(), **parts)  # type: ignore[arg-type]  # one part each
    flow = architecture.build(ROWS.mean(dim=0), ROWS.std(dim=0)).double().requires_grad_(requires_grad=False)
    z, _ = flow.forward(ROWS)
    expected = (ROWS - ROWS.mean(dim=0)) / ROWS.std(dim=0)
    torch.testing.assert_close(z.sort(dim=1).values, expected.sort(dim=1).values, rtol=1e-5, atol=1e-5)


def test_the_start_does_not_depend_on_the_units_of_the_columns() -> None:
    architecture = Architecture(3, 0, 8, 1, AffineCouplingSpec(), marginals=16, linear="first")
    units, offsets = torch.tensor([1e-6, 1.0, 1e6]).double(), torch.tensor([3.0, -1e3, 1e7]).double()
    moved = ROWS * units + offsets
    flows = [architecture.build(rows.mean(dim=0), rows.std(dim=0), rows=rows) for rows in (ROWS, moved)]
    first, second = (flow.double().requires_grad_(requires_grad=False) for flow in flows)
    torch.testing.assert_close(first.forward(ROWS)[0], second.forward(moved)[0], rtol=1e-4, atol=1e-4)
