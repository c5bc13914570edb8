"""A bundle has all files and the certificate of a variant, or none of them; without a variant nothing changes."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

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
from diffeo.bundle.golden import ROUNDED_TOLERANCE, GoldenArray
from diffeo.bundle.manifest import (
    MAIN_FILES,
    PLANE_CHECKS,
    VARIANT_CHECKS,
    VARIANT_FILES,
    Certificate,
    Check,
    FileName,
    Manifest,
)
from diffeo.bundle.read import read
from diffeo.bundle.write import BundleContent, content_of, write
from tests.given.flows import affine
from tests.given.manifest_changes import Change, copy, drop, put, reseal, value_at

ROOT = Path(__file__).parents[2]
PLAIN = [ROOT / "tests/data/affine2d/1", ROOT / "models/moons/1", ROOT / "models/circles/1"]
INT8 = VARIANT_FILES["int8"]


@pytest.fixture
def bundle_content() -> BundleContent:
    """The affine2d bundle, whose results are known by hand, with copies of its own graphs as a variant."""
    plain = content_of(read(affine.PATH))
    names = zip(INT8, MAIN_FILES, strict=True)
    checks = tuple(Check(name=name, value=0, tolerance=0, rows=256, about="") for name in VARIANT_CHECKS | PLANE_CHECKS)
    return replace(
        plain,
        files={**plain.files, **{variant: plain.files[main] for variant, main in names}},
        variants={"int8": Certificate(reference="by hand", runtime="none", checks=checks)},
    )


@pytest.mark.parametrize("path", PLAIN, ids=lambda path: path.parent.name)
def test_a_bundle_without_variants_has_the_same_bytes_as_before_variants_existed(path: Path, tmp_path: Path) -> None:
    again = write(content_of(read(path)), tmp_path / "1").path
    for file in path.iterdir():
        assert (again / file.name).read_bytes() == file.read_bytes()
    assert b"variants" not in (again / "manifest.json").read_bytes()


def test_a_written_variant_reads_back_the_same(bundle_content: BundleContent, tmp_path: Path) -> None:
    bundle = write(bundle_content, tmp_path / "1")
    assert content_of(bundle) == bundle_content
    assert set(INT8) <= bundle.manifest.files.keys()


def test_the_golden_vectors_of_a_variant_allow_an_error_of_one_rounding_step(
    bundle_content: BundleContent, tmp_path: Path
) -> None:
    vectors = write(bundle_content, tmp_path / "1").variants["int8"]

    def result(error: float) -> Mapping[str, GoldenArray]:
        return {
            "z": vectors.z + error,
            "log_abs_det_jacobian": vectors.log_abs_det_jacobian,
            "log_prob": vectors.log_prob,
        }

    vectors.check_forward(result(0.9 * ROUNDED_TOLERANCE))
    with pytest.raises(GoldenDisagrees, match=r"forward\.int8\.onnx computes z .* away from golden\.int8\.npy"):
        vectors.check_forward(result(2 * ROUNDED_TOLERANCE))


def put_mean_difference(content: object) -> None:
    """Set the value of the check delta_log_prob_mean of int8 above its tolerance."""
    checks = value_at(content, "variants", "int8", "certificate", "checks")
    assert isinstance(checks, list)
    next(check for check in checks if check["name"] == "delta_log_prob_mean")["value"] = 0.5


MANIFESTS: dict[str, tuple[Change, type[BundleError], str]] = {
    "files without the variant": (drop("variants"), ManifestInvalid, "if and only if variants names int8"),
    "an empty list beside the files": (put("variants", value={}), ManifestInvalid, "if and only if"),
    "a graph too few": (drop("files", INT8.inverse), ManifestInvalid, "if and only if"),
    "no golden vectors": (drop("files", INT8.golden), ManifestInvalid, "if and only if"),
    "an unknown name": (copy(("variants", "int8"), ("variants", "int4")), ManifestInvalid, "/variants/int4"),
    "an unknown key": (put("variants", "int8", "fast", value=True), ManifestInvalid, "/variants/int8/fast"),
    "no certificate": (put("variants", "int8", value={}), ManifestInvalid, "/variants/int8/certificate"),
    "a check that fails": (
        put_mean_difference,
        Uncertified,
        "the certificate of int8: delta_log_prob_mean is 0.5",
    ),
}


@pytest.mark.parametrize(("change", "error", "words"), MANIFESTS.values(), ids=MANIFESTS.keys())
def test_a_manifest_with_an_incomplete_variant_is_refused_even_with_a_valid_seal(
    bundle_content: BundleContent, tmp_path: Path, change: Change, error: type[BundleError], words: str
) -> None:
    folder = write(bundle_content, tmp_path / "1").path
    reseal(folder, change)
    with pytest.raises(error, match=words):
        read(folder)


@pytest.mark.parametrize("name", sorted(VARIANT_CHECKS | PLANE_CHECKS))
def test_every_check_of_a_variant_is_required(bundle_content: BundleContent, tmp_path: Path, name: str) -> None:
    whole = bundle_content.variants["int8"]
    fewer = whole.model_copy(update={"checks": tuple(check for check in whole.checks if check.name != name)})
    with pytest.raises(Uncertified, match=f"the certificate of int8 lacks {name}"):
        write(replace(bundle_content, variants={"int8": fewer}), tmp_path / "1")
    assert list(tmp_path.iterdir()) == []


FILES: dict[str, tuple[FileName, bytes, type[BundleError]]] = {
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
    "golden vectors that are no array": (INT8.golden, b"not an array", GoldenInvalid),
}


@pytest.mark.parametrize(("name", "content", "error"), FILES.values(), ids=FILES.keys())
def test_the_files_of_a_variant_are_checked_like_the_others(
    bundle_content: BundleContent, tmp_path: Path, name: FileName, content: bytes, error: type[BundleError]
) -> None:
    with pytest.raises(error, match=name):
        write(replace(bundle_content, files={**bundle_content.files, name: content}), tmp_path / "1")
    assert list(tmp_path.iterdir()) == []


def test_a_changed_byte_in_the_graph_of_a_variant_is_refused(bundle_content: BundleContent, tmp_path: Path) -> None:
    folder = write(bundle_content, tmp_path / "1").path
    content = bytearray((folder / INT8.forward).read_bytes())
    content[100] ^= 1
    (folder / INT8.forward).write_bytes(content)
    with pytest.raises(DigestMismatch, match=INT8.forward):
        read(folder)


def test_a_file_of_a_variant_without_the_variant_is_refused(tmp_path: Path) -> None:
    folder = affine.copy_to(tmp_path)
    (folder / INT8.forward).write_bytes((folder / "forward.onnx").read_bytes())
    with pytest.raises(UnsafeFile, match=INT8.forward):
        read(folder)


ROUNDED_PRODUCT = {
    "QuantizeLinear": helper.make_node("QuantizeLinear", ["x", "step"], ["spare_8"]),
    "MatMulInteger": helper.make_node("MatMulInteger", ["spare_8", "spare_weights"], ["spare_32"]),
    "DequantizeLinear": helper.make_node("DequantizeLinear", ["spare_32", "step"], ["spare"]),
}


@pytest.mark.parametrize("operator", sorted(graph.INT8_OPERATORS - graph.OPERATORS))
def test_integer_operators_are_allowed_in_int8_graphs_only(operator: str) -> None:
    model = onnx.load_from_string((affine.PATH / "forward.onnx").read_bytes())
    model.graph.initializer.append(numpy_helper.from_array(np.array(0.1, np.float32), "step"))
    model.graph.initializer.append(numpy_helper.from_array(np.ones((2, 2), np.int8), "spare_weights"))
    last = list(ROUNDED_PRODUCT).index(operator)
    model.graph.node.extend(list(ROUNDED_PRODUCT.values())[: last + 1])
    content = model.SerializeToString()
    graph.inspect("forward.int8.onnx", content, 2, "float32")
    del model.graph.node[-(last + 1) : -1]
    content = model.SerializeToString()
    with pytest.raises(GraphRefused, match=operator):
        graph.inspect("forward.onnx", content, 2, "float32")


@pytest.mark.parametrize("operator", ["RandomNormalLike", "Loop", "DynamicQuantizeLinear", "QLinearMatMul"])
def test_other_operators_are_refused_in_int8_graphs_too(operator: str) -> None:
    model = onnx.load_from_string((affine.PATH / "forward.onnx").read_bytes())
    model.graph.node.append(helper.make_node(operator, ["x"], ["spare"]))
    with pytest.raises(GraphRefused, match=operator):
        graph.inspect("forward.int8.onnx", model.SerializeToString(), 2, "float32")


def test_the_manifest_of_a_bundle_without_variants_does_not_mention_variants() -> None:
    manifest = read(affine.PATH).manifest
    assert manifest.variants == {}
    assert "variants" not in manifest.model_dump()
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest
