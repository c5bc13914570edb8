"""A variant stands in a bundle with all its files and its certificate, or not at all; without one nothing changes."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from diffeo.bundle import graph
from diffeo.bundle.errors import (
    BundleError,
    DigestMismatch,
    GoldenDisagrees,
    GoldenInvalid,
    GraphRefused,
    ManifestInvalid,
    Uncertified,
    UnsafeFile,
)
from diffeo.bundle.golden import ROUNDED_TOLERANCE
from diffeo.bundle.manifest import PLANE_CHECKS, VARIANT_CHECKS, VARIANT_FILES, Certificate, Check, Manifest
from diffeo.bundle.read import read, seal
from diffeo.bundle.write import Parts, parts_of, write
from tests.given.flows import affine

ROOT = Path(__file__).parents[2]
PLAIN = [ROOT / "tests/data/affine2d/1", ROOT / "models/moons/1", ROOT / "models/circles/1"]
INT8 = VARIANT_FILES["int8"]


@pytest.fixture
def parts() -> Parts:
    """The bundle known by hand, with its own graphs as a variant."""
    plain = parts_of(read(affine.PATH))
    names = zip(INT8, ("forward.onnx", "inverse.onnx", "golden.npy"), strict=True)
    checks = tuple(Check(name=name, value=0, tolerance=0, rows=1, about="") for name in VARIANT_CHECKS | PLANE_CHECKS)
    return replace(
        plain,
        files={**plain.files, **{variant: plain.files[main] for variant, main in names}},
        variants={"int8": Certificate(reference="by hand", runtime="none", checks=checks)},
    )


@pytest.mark.parametrize("path", PLAIN, ids=lambda path: path.parent.name)
def test_a_bundle_without_variants_is_written_to_the_byte_as_before_there_were_any(path: Path, tmp_path: Path) -> None:
    again = write(parts_of(read(path)), tmp_path / "1").path
    for file in path.iterdir():
        assert (again / file.name).read_bytes() == file.read_bytes()
    assert b"variants" not in (again / "manifest.json").read_bytes()


def test_what_is_written_reads_back_the_same(parts: Parts, tmp_path: Path) -> None:
    bundle = write(parts, tmp_path / "1")
    assert parts_of(bundle) == parts
    assert set(INT8) <= bundle.manifest.files.keys()


def test_its_golden_vectors_take_rows_at_the_edge_of_a_rounding_step(parts: Parts, tmp_path: Path) -> None:
    vectors = write(parts, tmp_path / "1").variants["int8"]

    def answer(error: float) -> dict[str, np.ndarray]:
        return {
            "z": vectors.z + error,
            "log_abs_det_jacobian": vectors.log_abs_det_jacobian,
            "log_prob": vectors.log_prob,
        }

    vectors.check_forward(answer(0.9 * ROUNDED_TOLERANCE))
    with pytest.raises(GoldenDisagrees, match=r"forward\.int8\.onnx computes z .* away from golden\.int8\.npy"):
        vectors.check_forward(answer(2 * ROUNDED_TOLERANCE))


Change = Callable[[dict], object]
MANIFESTS: dict[str, tuple[Change, type[BundleError], str]] = {
    "files without the variant": (lambda m: m.pop("variants"), ManifestInvalid, "if and only if variants names int8"),
    "an empty list beside the files": (lambda m: m.update(variants={}), ManifestInvalid, "if and only if"),
    "a graph too few": (lambda m: m["files"].pop(INT8.inverse), ManifestInvalid, "if and only if"),
    "no golden vectors": (lambda m: m["files"].pop(INT8.golden), ManifestInvalid, "if and only if"),
    "an unknown name": (lambda m: m["variants"].update(int4=m["variants"]["int8"]), ManifestInvalid, "/variants/int4"),
    "an unknown key": (lambda m: m["variants"]["int8"].update(fast=True), ManifestInvalid, "/variants/int8/fast"),
    "no certificate": (lambda m: m["variants"].update(int8={}), ManifestInvalid, "/variants/int8/certificate"),
    "a check that fails": (
        lambda m: _check(m, "delta_log_prob_mean").update(value=0.5),
        Uncertified,
        "the certificate of int8: delta_log_prob_mean is 0.5",
    ),
}


def _check(manifest: dict, name: str) -> dict:
    return next(check for check in manifest["variants"]["int8"]["certificate"]["checks"] if check["name"] == name)


@pytest.mark.parametrize(("change", "error", "words"), MANIFESTS.values(), ids=MANIFESTS.keys())
def test_a_manifest_with_half_a_variant_is_refused_even_with_a_true_seal(
    parts: Parts, tmp_path: Path, change: Change, error: type[BundleError], words: str
) -> None:
    folder = write(parts, tmp_path / "1").path
    content = json.loads((folder / "manifest.json").read_bytes())
    change(content)
    reseal(folder, content)
    with pytest.raises(error, match=words):
        read(folder)


def reseal(folder: Path, content: dict) -> None:
    text = json.dumps(content).encode()
    (folder / "manifest.json").write_bytes(text)
    (folder / "manifest.sha256").write_bytes(seal(text))


@pytest.mark.parametrize("name", sorted(VARIANT_CHECKS | PLANE_CHECKS))
def test_every_check_of_a_variant_is_required(parts: Parts, tmp_path: Path, name: str) -> None:
    whole = parts.variants["int8"]
    fewer = whole.model_copy(update={"checks": tuple(check for check in whole.checks if check.name != name)})
    with pytest.raises(Uncertified, match=f"the certificate of int8 lacks {name}"):
        write(replace(parts, variants={"int8": fewer}), tmp_path / "1")
    assert list(tmp_path.iterdir()) == []


FILES: dict[str, tuple[str, bytes, type[BundleError]]] = {
    "an inverse graph in place of the forward": (
        INT8.forward,
        (affine.PATH / "inverse.onnx").read_bytes(),
        GraphRefused,
    ),
    "a forward graph in place of the inverse": (
        INT8.inverse,
        (affine.PATH / "forward.onnx").read_bytes(),
        GraphRefused,
    ),
    "golden vectors that are none": (INT8.golden, b"not an array", GoldenInvalid),
}


@pytest.mark.parametrize(("name", "content", "error"), FILES.values(), ids=FILES.keys())
def test_its_files_are_looked_into_as_the_others_are(
    parts: Parts, tmp_path: Path, name: str, content: bytes, error: type[BundleError]
) -> None:
    with pytest.raises(error, match=name):
        write(replace(parts, files={**parts.files, name: content}), tmp_path / "1")
    assert list(tmp_path.iterdir()) == []


def test_a_flipped_byte_in_its_graph_is_noticed(parts: Parts, tmp_path: Path) -> None:
    folder = write(parts, tmp_path / "1").path
    content = bytearray((folder / INT8.forward).read_bytes())
    content[100] ^= 1
    (folder / INT8.forward).write_bytes(content)
    with pytest.raises(DigestMismatch, match=INT8.forward):
        read(folder)


def test_its_files_alone_are_strays(tmp_path: Path) -> None:
    folder = affine.copy_to(tmp_path)
    (folder / INT8.forward).write_bytes((folder / "forward.onnx").read_bytes())
    with pytest.raises(UnsafeFile, match=INT8.forward):
        read(folder)


@pytest.mark.parametrize("operator", sorted(graph.INT8_OPERATORS - graph.OPERATORS))
def test_integers_stand_in_graphs_of_that_precision_only(operator: str) -> None:
    model = onnx.load_from_string((affine.PATH / "forward.onnx").read_bytes())
    model.graph.node.append(helper.make_node(operator, ["x"], ["spare"]))
    content = model.SerializeToString()
    graph.inspect("forward.int8.onnx", content, 2, "float32")
    with pytest.raises(GraphRefused, match=operator):
        graph.inspect("forward.onnx", content, 2, "float32")


@pytest.mark.parametrize("operator", ["RandomNormalLike", "Loop", "DynamicQuantizeLinear", "QLinearMatMul"])
def test_what_no_int8_graph_needs_is_refused_in_it_too(operator: str) -> None:
    model = onnx.load_from_string((affine.PATH / "forward.onnx").read_bytes())
    model.graph.node.append(helper.make_node(operator, ["x"], ["spare"]))
    with pytest.raises(GraphRefused, match=operator):
        graph.inspect("forward.int8.onnx", model.SerializeToString(), 2, "float32")


def test_the_manifest_of_a_bundle_without_variants_says_nothing_of_them() -> None:
    manifest = read(affine.PATH).manifest
    assert manifest.variants == {}
    assert "variants" not in manifest.model_dump()
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest
