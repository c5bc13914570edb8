"""The kinds of columns in a manifest: what they may hold, and that a bundle without kinds has the bytes that it had."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from diffeo.bundle.errors import BundleError, ManifestInvalid
from diffeo.bundle.read import parse_manifest, read
from diffeo.bundle.schema.column_kind import ColumnKind, to_float32
from diffeo.bundle.write import content_of
from tests.given.flows import affine
from tests.given.flows.kinds import KINDS, publish
from tests.given.manifest_changes import Change, drop, put, reseal

ROOT = Path(__file__).parents[2]
BUNDLES = [ROOT / "tests/data/affine2d/1", ROOT / "models/moons/1", ROOT / "models/circles/1"]
PAIR = {"height": KINDS["count"], "weight": KINDS["clipped"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return publish(tmp_path / "1", PAIR)


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.parent.name)
def test_a_bundle_without_kinds_has_the_same_bytes_as_before_kinds_existed(path: Path) -> None:
    text = (path / "manifest.json").read_bytes()
    assert b'"format": "diffeo-bundle/1"' in text
    bundle = read(path)
    assert (bundle.manifest.model_dump_json(indent=1) + "\n").encode() == text
    assert (content_of(bundle).manifest().model_dump_json(indent=1) + "\n").encode() == text


def test_a_bundle_with_kinds_is_of_format_2_and_names_them(folder: Path) -> None:
    manifest = read(folder).manifest
    assert manifest.kinds == PAIR
    assert (manifest.dtype, manifest.graph_dtype, manifest.input_dtype) == ("float64", "float32", "float32")
    content = json.loads((folder / "manifest.json").read_bytes())
    assert content["format"] == "diffeo-bundle/2"
    assert content["kinds"] == {
        "height": {"integer": True, "low": 0.0},
        "weight": {"atoms": [{"value": 0.1, "width": 0.2}, {"value": 0.7, "width": 0.3}], "low": 0.1, "high": 0.7},
    }
    assert content_of(read(folder)).manifest() == manifest


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_is_read_as_it_was_written(name: str) -> None:
    assert ColumnKind.model_validate_json(KINDS[name].model_dump_json()) == KINDS[name]


INF = "1e999"
ATOM = '{"value": 0, "width": 1}'
HOSTILE: dict[str, tuple[str, str]] = {
    "empty": ("{}", "the kind is empty"),
    "an unknown key": ('{"integers": true}', "integers"),
    "text": ('{"low": "0"}', "low"),
    "a truth value for a number": ('{"low": true}', "low"),
    "a number for a truth value": ('{"integer": 1}', "integer"),
    "an infinite bound": (f'{{"low": {INF}}}', "low"),
    "a bound beyond 1e300": ('{"high": 1e301}', "expected at most 1e\\+300 in size"),
    "an infinite factor": (f'{{"affine": {{"shift": 0, "factor": {INF}}}}}', "factor"),
    "a factor of zero": ('{"affine": {"shift": 0, "factor": 0}}', "expected from 1e-300 to 1e\\+300"),
    "a negative scale": ('{"tails": {"centre": 0, "scale": -1}}', "scale"),
    "a width of zero": ('{"atoms": [{"value": 0, "width": 0}]}', "width"),
    "a negative width": ('{"atoms": [{"value": 0, "width": -1}]}', "width"),
    "an infinite width": (f'{{"atoms": [{{"value": 0, "width": {INF}}}]}}', "width"),
    "bounds in the wrong order": ('{"low": 1, "high": 0}', "low must be below high"),
    "equal bounds": ('{"low": 1, "high": 1}', "low must be below high"),
    "a broken bound of whole numbers": ('{"integer": true, "low": 0.5}', "expected a whole number"),
    "a huge bound of whole numbers": ('{"integer": true, "high": 1e20}', "expected a whole number"),
    "whole numbers with atoms": (f'{{"integer": true, "atoms": [{ATOM}]}}', "not both"),
    "tails and a bound": ('{"tails": {"centre": 0, "scale": 1}, "low": 0}', "tails or bounds"),
    "an atom twice": (f'{{"atoms": [{ATOM}, {ATOM}]}}', "not distinct and ascending"),
    "atoms in the wrong order": (
        '{"atoms": [{"value": 1, "width": 1}, {"value": 0, "width": 1}]}', "not distinct and ascending"
    ),
    "atoms that are one in float32": (
        '{"atoms": [{"value": 0.1, "width": 1}, {"value": 0.1000000001, "width": 1}]}', "not distinct and ascending"
    ),
    "an atom below the bound": (f'{{"low": 0.5, "atoms": [{ATOM}]}}', "outside of the bounds"),
    "an atom above the bound": (f'{{"high": -1, "atoms": [{ATOM}]}}', "outside of the bounds"),
    "an atom beyond float32": ('{"atoms": [{"value": 1e44, "width": 1e44}]}', "needs affine"),
    "an atom that is zero in float32": ('{"atoms": [{"value": 1e-50, "width": 1e-50}]}', "needs affine"),
    "a width that float64 loses": ('{"atoms": [{"value": 1, "width": 1e-17}]}', "cannot tell the intervals"),
    "a width that hides the next atom": (
        '{"atoms": [{"value": 0, "width": 1e20}, {"value": 1, "width": 1}]}', "cannot tell the intervals"
    ),
    "257 atoms": (
        json.dumps({"atoms": [{"value": value, "width": 0.1} for value in range(257)]}), "at most 256 items"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "words"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_kind_that_is_no_increasing_map_is_refused(folder: Path, text: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ColumnKind.model_validate_json(text)
    manifest = (folder / "manifest.json").read_text()
    start = manifest.index('"height": {')
    changed = manifest[:start] + f'"height": {text}' + manifest[manifest.index("}", start) + 1 :]
    with pytest.raises(ManifestInvalid) as refusal:
        parse_manifest(changed.encode())
    assert str(refusal.value).isprintable()


MANIFESTS: dict[str, tuple[Change, str]] = {
    "the first format": (put("format", value="diffeo-bundle/1"), "belong to diffeo-bundle/2"),
    "no kind": (put("kinds", value={}), "has kinds, a gaussian_mixture or"),
    "no kinds": (drop("kinds"), "has kinds, a gaussian_mixture or"),
    "a column that is not there": (put("kinds", "a\nb", value={"integer": True}), r"kinds names 'a\\nb'"),
    "x in float32": (put("dtype", value="float32"), "has the dtype float64"),
    "no type of the graphs": (drop("graph_dtype"), "graph_dtype"),
    "another type of the graphs": (put("graph_dtype", value="float64"), "float64"),
    "no error of the masses": (drop("mass_error"), "mass_error"),
    "a negative error of the masses": (put("mass_error", "mean", value=-1.0), "mean"),
    "an error of the masses without masses": (
        put("kinds", value={"height": {"low": -1e9}}), "mass_error is given if and only if"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "words"), MANIFESTS.values(), ids=MANIFESTS.keys())
def test_a_manifest_whose_kinds_do_not_fit_is_refused_even_with_a_valid_seal(
    folder: Path, change: Change, words: str
) -> None:
    reseal(folder, change)
    with pytest.raises(BundleError, match=words) as refusal:
        read(folder)
    assert str(refusal.value).isprintable()


def test_a_model_of_whole_numbers_alone_may_repeat_its_golden_rows(tmp_path: Path) -> None:
    kind = ColumnKind(integer=True, low=0.0, high=1.0)
    bundle = read(publish(tmp_path / "1", {"height": kind, "weight": kind}))
    assert len(np.unique(bundle.golden.x, axis=0)) == 4


@pytest.mark.parametrize("value", [0.1, -1e-50, 1e-45, 3.4028235e38, 3.5e38, -1e300, 16777217.0])
def test_a_number_is_rounded_to_float32_as_numpy_rounds_it(value: float) -> None:
    with np.errstate(over="ignore"):
        assert to_float32(value) == float(np.float32(value)) or math.isinf(value)


def test_affine2d_is_not_of_the_second_format() -> None:
    assert read(affine.PATH).manifest.kinds == {}
