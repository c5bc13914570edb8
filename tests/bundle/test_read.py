"""`read` returns the bundle that was written, or refuses the folder if anything in it has changed."""

import hashlib
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from diffeo.bundle.errors import BundleError, BundleMissing, DigestMismatch, ManifestInvalid, Uncertified, UnsafeFile
from diffeo.bundle.read import is_version, read, seal, versions
from tests.given.manifest_changes import Change, drop, put, reseal
from tests.given.manifest_changes import copy as copy_value

ROOT = Path(__file__).parents[2]
BUNDLES = [ROOT / "tests/data/affine2d/1", ROOT / "models/moons/1", ROOT / "models/circles/1"]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(BUNDLES[0], tmp_path / "1"))


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.parent.name)
def test_the_committed_bundles_are_valid(path: Path) -> None:
    bundle = read(path)
    assert bundle.digest == hashlib.sha256((path / "manifest.json").read_bytes()).hexdigest()
    assert set(bundle.files) == set(bundle.manifest.files)


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.parent.name)
def test_a_flipped_byte_anywhere_is_refused_with_a_reason(path: Path, tmp_path: Path) -> None:
    generator = random.Random(20)
    folder = Path(shutil.copytree(path, tmp_path / "1"))
    files = sorted(entry for entry in folder.iterdir())
    for _ in range(400):
        file = generator.choice(files)
        content = bytearray(file.read_bytes())
        place, bit = generator.randrange(len(content)), generator.randrange(1, 256)
        content[place] ^= bit
        file.write_bytes(content)
        with pytest.raises(BundleError, match=r"\w{3,}"):
            read(folder)
        content[place] ^= bit
        file.write_bytes(content)
    read(folder)


def test_a_file_truncated_anywhere_is_refused(copy: Path) -> None:
    generator = random.Random(21)
    for file in sorted(copy.iterdir()):
        content = file.read_bytes()
        for size in {0, 1, len(content) - 1, *(generator.randrange(len(content)) for _ in range(5))}:
            file.write_bytes(content[:size])
            with pytest.raises(BundleError):
                read(copy)
        file.write_bytes(content)


FOLDERS: dict[str, tuple[Callable[[Path], object], type[BundleError], str]] = {
    "no folder": (shutil.rmtree, BundleMissing, "no bundle"),
    "a stray file": (lambda f: (f / "notes.txt").write_text("x"), UnsafeFile, "notes.txt"),
    "a stray folder": (lambda f: (f / "more").mkdir(), UnsafeFile, "more"),
    "no manifest": (lambda f: (f / "manifest.json").unlink(), DigestMismatch, "manifest.json is missing"),
    "no seal": (lambda f: (f / "manifest.sha256").unlink(), DigestMismatch, "manifest.sha256 is missing"),
    "no graph": (lambda f: (f / "forward.onnx").unlink(), DigestMismatch, "forward.onnx is missing"),
}


@pytest.mark.parametrize(("damage", "error", "words"), FOLDERS.values(), ids=FOLDERS.keys())
def test_an_incomplete_folder_is_refused(
    copy: Path, damage: Callable[[Path], object], error: type[BundleError], words: str
) -> None:
    damage(copy)
    with pytest.raises(error, match=words):
        read(copy)


def _as_symlink(file: Path, moved: Path) -> None:
    file.rename(moved)
    file.symlink_to(moved)


def _as_hard_link(file: Path, moved: Path) -> None:
    os.link(file, moved)


def _as_pipe(file: Path, moved: Path) -> None:
    file.rename(moved)
    os.mkfifo(file)


@pytest.mark.parametrize("replace", [_as_symlink, _as_hard_link, _as_pipe])
@pytest.mark.parametrize("name", ["manifest.json", "manifest.sha256", "forward.onnx", "golden.npy"])
def test_only_plain_files_are_read(copy: Path, name: str, replace: Callable[[Path, Path], None]) -> None:
    replace(copy / name, copy.parent / "moved")
    with pytest.raises(UnsafeFile, match=name):
        read(copy)


def test_a_linked_folder_is_refused(copy: Path) -> None:
    link = copy.parent / "2"
    link.symlink_to(copy)
    with pytest.raises(UnsafeFile):
        read(link)


MANIFESTS: dict[str, tuple[Change, type[BundleError], str]] = {
    "another format": (put("format", value="diffeo-bundle/3"), ManifestInvalid, "/format"),
    "the second format without its parts": (
        put("format", value="diffeo-bundle/2"),
        ManifestInvalid,
        "has kinds, a gaussian_mixture or",
    ),
    "a mixture in the first format": (
        put("base", "kind", value="gaussian_mixture"),
        ManifestInvalid,
        "belong to diffeo-bundle/2",
    ),
    "an unknown key": (put("extra", value=1), ManifestInvalid, "/extra"),
    "a missing key": (drop("base"), ManifestInvalid, "/base"),
    "no columns": (put("columns", value=[]), ManifestInvalid, "/columns"),
    "a repeated column": (put("columns", value=["a", "a"]), ManifestInvalid, "repeat"),
    "a number as text": (put("provenance", "data_rows", value="7"), ManifestInvalid, "data_rows"),
    "a file outside": (copy_value(("files", "golden.npy"), ("files", "../x")), ManifestInvalid, "/files"),
    "a file too few": (drop("files", "inverse.onnx"), ManifestInvalid, "inverse.onnx"),
    "half a TorchScript pair": (drop("files", "inverse.ts"), ManifestInvalid, "pair"),
    "another width": (put("columns", value=["a", "b", "c"]), BundleError, "3"),
    "another dtype": (put("dtype", value="float64"), BundleError, "float64"),
    "a check too few": (drop("certificate", "checks", 0), Uncertified, "parity"),
    "no normalisation in two dimensions": (drop("certificate", "checks", -1), Uncertified, "normalisation"),
    "a check that fails": (put("certificate", "checks", 0, "value", value=1.0), Uncertified, "parity is 1"),
    "a quantile too few": (drop("calibration", "levels", -1), ManifestInvalid, "levels"),
}


@pytest.mark.parametrize(("change", "error", "words"), MANIFESTS.values(), ids=MANIFESTS.keys())
def test_a_manifest_that_breaks_the_schema_is_refused_even_with_a_valid_seal(
    copy: Path, change: Change, error: type[BundleError], words: str
) -> None:
    reseal(copy, change)
    with pytest.raises(error, match=words):
        read(copy)


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"[" * 100_000, b"\xff"])
def test_a_manifest_that_is_not_strict_json_is_refused(copy: Path, text: bytes) -> None:
    (copy / "manifest.json").write_bytes(text)
    (copy / "manifest.sha256").write_bytes(seal(text))
    with pytest.raises(BundleError):
        read(copy)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("1", True),
        ("42", True),
        ("0", False),
        ("01", False),
        ("-1", False),
        ("1.report", False),
        ("", False),
        ("\u0661", False),
        (".draft-1-x", False),
    ],
)
def test_a_version_is_a_positive_integer_in_ascii_digits(name: str, expected: bool) -> None:  # noqa: FBT001
    assert is_version(name) is expected


def test_versions_are_listed_in_ascending_order(tmp_path: Path) -> None:
    for name in ("10", "9", "1.report", ".draft-11-abc", "latest", "1" * 20, "1" + "0" * 10):
        (tmp_path / name).mkdir()
    assert versions(tmp_path) == [9, 10]
    assert versions(tmp_path / "nowhere") == []
