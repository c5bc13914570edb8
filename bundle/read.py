"""Reads and verifies a bundle: `read` returns a Bundle only if every file of the folder is as its manifest says.

Each file is opened once, relative to the folder, without following links. The bytes that were hashed are the bytes that
are returned, so a file cannot be replaced between the check and the use.
"""

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from . import calibration_sample, golden, graph, mixture
from .base import Base, StandardNormal
from .calibration_sample import CalibrationSample
from .errors import (
    BundleError,
    BundleMissing,
    DigestMismatch,
    ManifestInvalid,
    Uncertified,
    UnsafeFile,
    listed,
)
from .golden import ROUNDED_TOLERANCE, Golden
from .manifest import (
    BASE_NAME,
    MAIN_FILES,
    MANIFEST_NAME,
    MAX_FILE_BYTES,
    PLANE,
    PLANE_CHECKS,
    REQUIRED_CHECKS,
    SEAL_NAME,
    VARIANT_CHECKS,
    VARIANT_FILES,
    Certificate,
    Check,
    CheckName,
    FileName,
    Manifest,
    VariantName,
)
from .proof import Proof
from .tolerances import LEAST_ROWS, TOLERANCES, VARIANT_TOLERANCES

MAX_MANIFEST_BYTES: Final = 2**20
# Clients hold a version in a number that JavaScript and databases keep exact.
MAX_VERSION_DIGITS: Final = 10


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle.

    Attributes:
        path: its folder.
        manifest: its manifest.
        digest: SHA-256 of manifest.json; it identifies the bundle.
        base: distribution of z.
        golden: golden vectors of the main graphs.
        files: content of each file that the manifest names.
        variants: golden vectors of each variant.
        row_bytes: most bytes that one of its graphs needs for each row of a batch.
        calibration_sample: log_prob of held-out rows and of samples, where the bundle holds them.
    """

    path: Path
    manifest: Manifest
    digest: str
    base: Base
    golden: Golden
    files: Mapping[FileName, bytes]
    variants: Mapping[VariantName, Golden]
    row_bytes: int
    calibration_sample: CalibrationSample | None = None

    @property
    def proof(self) -> Proof:
        """The facts that a check of the loaded graphs proves."""
        return Proof(self.digest, self.row_bytes)


def read(path: Path, proof: Proof | None = None) -> Bundle:
    """Read and verify the bundle in the folder `path`.

    Args:
        path: the folder.
        proof: of an earlier check; the graphs of a bundle with its digest are not analysed again.

    Raises:
        BundleMissing: there is no such folder.
        UnsafeFile: a link, a device, or a file that the manifest does not name.
        ManifestInvalid: manifest.json breaks the schema.
        DigestMismatch: a file or the manifest is missing or has changed.
        GraphRefused: an ONNX file has content that is not allowed.
        GraphsDisagree: the two graphs hold different weights.
        BaseInvalid: base.npy holds no mixture of Gaussians.
        CalibrationInvalid: a file of the calibration sample holds something else.
        GoldenInvalid: a file of golden vectors does not fit the manifest.
        Uncertified: a certificate is incomplete, or a measurement is out of tolerance.
    """
    folder = _open_folder(path)
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208  (pathlib cannot list an open folder)
        text, digest = _read_sealed_manifest(folder)
        manifest = parse_manifest(text)
        _check_names(names, manifest)
        files = {name: _read_entry(folder, name, manifest) for name in manifest.files}
    finally:
        os.close(folder)
    check_certificates(manifest)
    row_bytes = proof.row_bytes if proof is not None and proof.digest == digest else inspect(manifest, files)
    base = base_of(manifest, files)
    vectors = golden.parse(files["golden.npy"], base, least_distinct=_least_distinct(manifest))
    variants, sample = _variants(manifest, base, files), calibration_sample.parse(files)
    return Bundle(path, manifest, digest, base, vectors, files, variants, row_bytes, sample)


def inspect(manifest: Manifest, files: Mapping[FileName, bytes]) -> int:
    """Check the content of all graphs; the most bytes that one of them needs for each row of a batch.

    Raises:
        GraphRefused: an ONNX file has content that is not allowed.
        GraphsDisagree: the two graphs hold different weights.
    """
    trios = (MAIN_FILES, *(VARIANT_FILES[variant] for variant in manifest.variants))
    names = [name for trio in trios for name in (trio.forward, trio.inverse)]
    costs = [graph.inspect(name, files[name], manifest.dimension, manifest.input_dtype) for name in names]
    graph.check_weights(files)
    return max(cost.row_bytes for cost in costs)


def base_of(manifest: Manifest, files: Mapping[FileName, bytes]) -> Base:
    """The base distribution of a bundle.

    Raises:
        BaseInvalid: base.npy holds no mixture of Gaussians.
    """
    if manifest.base.kind == "standard_normal":
        return StandardNormal(manifest.dimension)
    return mixture.parse(files[BASE_NAME], manifest.dimension)


def versions(model: Path) -> list[int]:
    """The version numbers in models/NAME, ascending; a version is a folder named by a positive integer.

    A folder of more than MAX_VERSION_DIGITS digits is no version: no service reads it.
    """
    if not model.is_dir():
        return []
    names = (entry.name for entry in os.scandir(model))
    return sorted(int(name) for name in names if is_version(name) and len(name) <= MAX_VERSION_DIGITS)


def is_version(name: str) -> bool:
    """True for "1", "2", ...: ASCII digits without a sign and without a leading zero."""
    return name.isascii() and name.isdigit() and not name.startswith("0")


def parse_manifest(text: bytes) -> Manifest:
    """The Manifest in the bytes of manifest.json; strict JSON, strict schema.

    Raises:
        ManifestInvalid: the first problems found, each with its path in the manifest.
    """
    try:
        json.loads(text, object_pairs_hook=_distinct, parse_constant=_no_constant)
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        problems = [f"/{'/'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3]]
        raise ManifestInvalid(f"{MANIFEST_NAME} breaks the schema at {'; '.join(problems)}") from None
    except (ValueError, RecursionError) as error:
        raise ManifestInvalid(f"{MANIFEST_NAME} is not strict JSON: {error}") from None


def check_certificates(manifest: Manifest) -> None:
    """Raise Uncertified unless every required check exists and holds within the limits of the format, variants too."""
    in_plane = PLANE_CHECKS if manifest.dimension == PLANE else frozenset()
    _check_certificate("the certificate", manifest.certificate, REQUIRED_CHECKS | in_plane, TOLERANCES)
    for name, variant in manifest.variants.items():
        said = f"the certificate of {name}"
        _check_certificate(said, variant.certificate, VARIANT_CHECKS | in_plane, VARIANT_TOLERANCES)


def _check_certificate(
    name: str, certificate: Certificate, required: frozenset[CheckName], largest: Mapping[CheckName, float]
) -> None:
    names = [check.name for check in certificate.checks]
    missing = required - set(names)
    if missing:
        raise Uncertified(f"{name} lacks {', '.join(sorted(missing))}")
    if len(set(names)) != len(names):
        raise Uncertified(f"{name} holds a check twice: {listed(sorted(names))}")
    for check in certificate.checks:
        _check_measurement(name, check, largest)


def _check_measurement(name: str, check: Check, largest: Mapping[CheckName, float]) -> None:
    if not check.holds:
        raise Uncertified(f"{name}: {check.name} is {check.value:.3g}; the tolerance is {check.tolerance:.3g}")
    limit = largest.get(check.name)
    if limit is None:
        raise Uncertified(f"{name} holds {check.name}, which is a check of variants only")
    if check.tolerance > limit:
        raise Uncertified(
            f"{name}: {check.name} has the tolerance {check.tolerance:.3g}; the format allows at most {limit:.3g}"
        )
    if check.rows < LEAST_ROWS:
        raise Uncertified(f"{name}: {check.name} was measured on {check.rows} rows; expected {LEAST_ROWS} or more")


def seal(text: bytes) -> bytes:
    """The content of manifest.sha256 for this manifest, in the format of `sha256sum`."""
    return seal_of(hashlib.sha256(text).hexdigest())


def seal_of(digest: str) -> bytes:
    """The content of manifest.sha256 for a manifest with this SHA-256."""
    return f"{digest}  {MANIFEST_NAME}\n".encode()


def open_file(path: Path, name: str) -> int:
    """The descriptor of one file of the bundle in the folder `path`, for reading; its content is not verified.

    Raises:
        BundleMissing: there is no such folder.
        UnsafeFile: the file is a link or a device.
        DigestMismatch: the file is missing or too large.
    """
    folder = _open_folder(path)
    try:
        return _open_file(folder, name, MAX_FILE_BYTES)
    finally:
        os.close(folder)


def _variants(manifest: Manifest, base: Base, files: Mapping[FileName, bytes]) -> dict[VariantName, Golden]:
    trios, least = {name: VARIANT_FILES[name] for name in manifest.variants}, _least_distinct(manifest)
    return {
        name: golden.parse(files[trio.golden], base, trio, ROUNDED_TOLERANCE, least) for name, trio in trios.items()
    }


def _least_distinct(manifest: Manifest) -> int:
    return golden.LEAST_DISTINCT_DISCRETE if manifest.is_discrete else golden.LEAST_DISTINCT


def _open_folder(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise BundleMissing(f"no bundle at {path}") from None
    except OSError as error:
        raise UnsafeFile(f"{path.name} is not a plain folder ({error.strerror})") from None


def _read_sealed_manifest(folder: int) -> tuple[bytes, str]:
    text = _read_file(folder, MANIFEST_NAME, MAX_MANIFEST_BYTES)
    if _read_file(folder, SEAL_NAME, MAX_MANIFEST_BYTES) != seal(text):
        raise DigestMismatch(f"{MANIFEST_NAME} is not the one that {SEAL_NAME} was written for")
    return text, hashlib.sha256(text).hexdigest()


def _check_names(names: list[str], manifest: Manifest) -> None:
    stray = set(names) - manifest.files.keys() - {MANIFEST_NAME, SEAL_NAME}
    if stray:
        raise UnsafeFile(f"the folder holds files that the manifest does not name: {sorted(stray)[:3]!a}")


def _read_entry(folder: int, name: FileName, manifest: Manifest) -> bytes:
    entry = manifest.files[name]
    content = _read_file(folder, name, entry.bytes)
    if len(content) != entry.bytes:
        raise DigestMismatch(f"{name} has {len(content)} bytes; the manifest says {entry.bytes}")
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise DigestMismatch(f"{name} is not the file that the manifest names (sha256 differs)")
    return content


def _read_file(folder: int, name: str, limit: int) -> bytes:
    with os.fdopen(_open_file(folder, name, limit), "rb") as file:
        return file.read(limit + 1)


def _open_file(folder: int, name: str, limit: int) -> int:
    # With O_NONBLOCK, a FIFO in the folder cannot block the reader before fstat detects it.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(name, flags, dir_fd=folder)
    except FileNotFoundError:
        raise DigestMismatch(f"{name} is missing") from None
    except OSError as error:
        raise UnsafeFile(f"{name} is not a plain file ({error.strerror})") from None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise UnsafeFile(f"{name} is a link or a device; expected a plain file with one name")
        if status.st_size > min(limit, MAX_FILE_BYTES):
            raise DigestMismatch(f"{name} has {status.st_size} bytes; expected at most {limit}")
    except BundleError:
        os.close(handle)
        raise
    return handle


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("an object repeats a key")
    return result


def _no_constant(literal: str) -> object:
    raise ValueError(f"the literal {literal} is not JSON")
