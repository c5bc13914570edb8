"""A flow survives its file bit for bit; files of older versions load; a wrong description is refused by name."""

import json

import pytest
import torch

from diffeo.training.errors import BadTransform
from diffeo.training.flows.affine import AffineCouplingSpec
from diffeo.training.flows.architecture import Architecture, flow_from_bytes, flow_to_bytes
from diffeo.training.flows.registry import TRANSFORMS, coupling_from_keys, describe_transform, parse_transform
from diffeo.training.flows.triangular_coupling import TriangularCouplingSpec

SPECS = [AffineCouplingSpec(limit=2.5), TriangularCouplingSpec(block=2), TriangularCouplingSpec(block=1, det=3.0)]


@pytest.mark.parametrize("spec", SPECS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_flow_survives_its_file_bit_for_bit(dtype: torch.dtype, spec: AffineCouplingSpec) -> None:
    architecture = Architecture(3, 2, 8, 2, spec)
    before = architecture.build(torch.tensor([1.7e9, 0, 1], dtype=dtype), torch.ones(3, dtype=dtype))
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


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_a_header_is_read_as_it_was_written(spec: AffineCouplingSpec) -> None:
    architecture = Architecture(3, 2, 8, 2, spec)
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
    "no name": ({}, "no transform has the name None; choose one of affine_coupling, triangular_coupling"),
    "an unknown name": ({"name": "spline"}, "no transform has the name 'spline'"),
    "an unknown option": ({"name": "affine_coupling", "block": 1}, "affine_coupling: block: "),
    "an option out of range": ({"name": "triangular_coupling", "block": 0}, "triangular_coupling: block: .*than or eq"),
    "text for a number": ({"name": "affine_coupling", "limit": "3"}, "affine_coupling: limit: "),
}


@pytest.mark.parametrize(("description", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_description_is_refused_by_name(description: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadTransform, match=sentence):
        parse_transform(description)
