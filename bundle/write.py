"""Writes a bundle: a new version appears complete and verified, or not at all.

All files are written to a dot folder beside the target and synced to disk, the manifest and its seal last. The folder
is read back, and one rename publishes it. A crash at any point leaves the old state and at most a dot folder, which
every reader ignores.
"""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .errors import NoVersionLeft, VersionExists
from .manifest import (
    BASE_NAME,
    FORMAT,
    HELD_OUT_NAME,
    MANIFEST_NAME,
    RNG,
    SEAL_NAME,
    SECOND_FORMAT,
    BaseEntry,
    Calibration,
    Certificate,
    Dtype,
    FileEntry,
    FileName,
    Manifest,
    MassError,
    Provenance,
    Variant,
    VariantName,
)
from .read import MAX_VERSION_DIGITS, Bundle, check_certificates, read, seal, versions
from .schema.column_kind import ColumnKind
from .schema.quality import Quality


@dataclass(frozen=True, slots=True)
class BundleContent:
    """The content of a bundle before it is written.

    Attributes:
        columns: names of the columns of x.
        dtype: type of x.
        precision: precision of the main graphs.
        files: content of each file; base.npy is among them if the base is a mixture, and the two files of the
            calibration sample are if there is one.
        certificate: measurements of the main graphs.
        calibration: quantiles of log_prob on held-out rows, if known.
        provenance: origin of the model.
        variants: the certificate of each variant whose files are among `files`.
        kinds: the kind of each column that is not plain. With kinds, `dtype` is float64.
        graph_dtype: type of the input of the forward graph; given if and only if there are kinds.
        mass_error: error of the log mass; given if and only if a column is integer or has atoms.
        quality: how well the model matches held-out rows, if that was measured.
    """

    columns: tuple[str, ...]
    dtype: Dtype
    precision: Dtype
    files: Mapping[FileName, bytes]
    certificate: Certificate
    calibration: Calibration | None
    provenance: Provenance
    variants: Mapping[VariantName, Certificate] = field(default_factory=dict)
    kinds: Mapping[str, ColumnKind] = field(default_factory=dict)
    graph_dtype: Dtype | None = None
    mass_error: MassError | None = None
    quality: Quality | None = None

    def manifest(self) -> Manifest:
        """The manifest that describes this content."""
        entries = {
            name: FileEntry(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
            for name, content in self.files.items()
        }
        has_mixture = BASE_NAME in self.files
        is_newer = bool(self.kinds) or has_mixture or HELD_OUT_NAME in self.files
        return Manifest(
            format=SECOND_FORMAT if is_newer else FORMAT,
            columns=self.columns,
            kinds=dict(self.kinds),
            mass_error=self.mass_error,
            dtype=self.dtype,
            graph_dtype=self.graph_dtype,
            precision=self.precision,
            base=BaseEntry(kind="gaussian_mixture" if has_mixture else "standard_normal", rng=RNG),
            files=entries,
            certificate=self.certificate,
            calibration=self.calibration,
            quality=self.quality,
            provenance=self.provenance,
            variants={name: Variant(certificate=certificate) for name, certificate in self.variants.items()},
        )


def content_of(bundle: Bundle) -> BundleContent:
    """The content of a bundle that is on disk."""
    manifest = bundle.manifest
    return BundleContent(
        manifest.columns,
        manifest.dtype,
        manifest.precision,
        bundle.files,
        manifest.certificate,
        manifest.calibration,
        manifest.provenance,
        {name: variant.certificate for name, variant in manifest.variants.items()},
        manifest.kinds,
        manifest.graph_dtype,
        manifest.mass_error,
        manifest.quality,
    )


def write(bundle_content: BundleContent, path: Path) -> Bundle:
    """Publish `bundle_content` as the bundle folder `path`, which must not exist yet.

    Raises:
        VersionExists: `path` exists already.
        BundleError: the written files are no valid bundle; nothing is published.
    """
    manifest = bundle_content.manifest()
    check_certificates(manifest)
    text = (manifest.model_dump_json(indent=1) + "\n").encode()
    files = {str(name): content for name, content in bundle_content.files.items()}
    return write_files({**files, MANIFEST_NAME: text, SEAL_NAME: seal(text)}, path)


def write_files(files: Mapping[str, bytes], path: Path) -> Bundle:
    """Publish the files of a complete bundle as the folder `path`; the manifest and the seal are written last.

    Raises:
        VersionExists: `path` exists already.
        BundleError: the files are no valid bundle; nothing is published.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".draft-{path.name}-", dir=path.parent))
    try:
        _fill(draft, files)
        read(draft)
        _rename(draft, path)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    _sync_folder(path.parent)
    return read(path)


def publish(bundle_content: BundleContent, model: Path) -> Bundle:
    """Write `bundle_content` as the next version in the model's folder, models/NAME.

    Raises:
        NoVersionLeft: the model already has the largest version number.
        BundleError: the content is no valid bundle.
    """
    while True:
        version = str(max(versions(model), default=0) + 1)
        if len(version) > MAX_VERSION_DIGITS:
            raise NoVersionLeft(f"{model} has version {int(version) - 1}, the largest; publish under another name")
        try:
            return write(bundle_content, model / version)
        except VersionExists:
            # Another process published this version number first, so the next number is tried.
            continue


def _fill(draft: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        _write_file(draft / name, content)
    # mkdtemp creates a private folder, but another user reads the bundle in a container.
    draft.chmod(0o755)
    _sync_folder(draft)


def _write_file(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _rename(draft: Path, path: Path) -> None:
    # rename(2) replaces an empty folder without an error, so an empty folder counts as existing too.
    if path.exists() or path.is_symlink():
        raise VersionExists(f"{path} exists; a published version never changes")
    try:
        draft.rename(path)
    except OSError as error:
        if error.errno in {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}:
            raise VersionExists(f"{path} exists; a published version never changes") from error
        raise


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
