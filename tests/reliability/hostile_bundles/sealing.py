"""Seals changed files again, so that only their content is wrong, and loads them as a service does."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import onnx

from diffeo.bundle import agreement, golden
from diffeo.bundle.base import StandardNormal
from diffeo.bundle.manifest import FileName
from diffeo.bundle.read import check_certificates, inspect, parse_manifest, seal
from diffeo.runtime.engines import onnx as engine
from diffeo.runtime.engines.options import EngineOptions

from .edited_graph import Edit

Files = dict[str, bytes]
Compute = agreement.Compute
GRAPHS: Final[tuple[FileName, FileName]] = ("forward.onnx", "inverse.onnx")


def files_of(path: Path) -> Files:
    """The files of a bundle by name."""
    return {file.name: file.read_bytes() for file in path.iterdir()}


def sealed(files: Mapping[str, bytes], change: Callable[[dict[str, object]], object] | None = None) -> Files:
    """The files with sizes and digests that fit, and a seal that fits."""
    manifest = json.loads(files["manifest.json"])
    for name in manifest["files"]:
        manifest["files"][name] = {"bytes": len(files[name]), "sha256": hashlib.sha256(files[name]).hexdigest()}
    if change is not None:
        change(manifest)
    text = json.dumps(manifest, ensure_ascii=False).encode()
    return {**files, "manifest.json": text, "manifest.sha256": seal(text)}


def edited(content: bytes, edit: Edit) -> bytes:
    """The bytes of a graph after an edit; an edit may return bytes itself."""
    model = onnx.load_from_string(content)
    result = edit(model)
    return result if isinstance(result, bytes) else bytes(model.SerializeToString())


def publish(files: Mapping[str, bytes], path: Path) -> Path:
    """Write the files as a version, as an attacker would: without any check."""
    path.mkdir(parents=True)
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path


def check(files: Mapping[str, bytes], seconds: float = agreement.FURTHER_SECONDS) -> tuple[Compute, Compute]:
    """Load the graphs if every check of a service passes.

    Raises:
        BundleError: the reason to refuse the bundle.
        EngineFailed: ONNX Runtime refuses a graph.
    """
    manifest = parse_manifest(files["manifest.json"])
    check_certificates(manifest)
    # Only what the manifest names is read; the mutations leave its list of names as it is.
    inspect(manifest, {name: files[name] for name in manifest.files})
    vectors = golden.parse(files["golden.npy"], StandardNormal(manifest.dimension))
    digest = hashlib.sha256(files["manifest.json"]).hexdigest()
    forward, inverse = computes(files)
    agreement.check(forward, inverse, vectors, manifest.dtype, digest, seconds)
    return forward, inverse


def computes(files: Mapping[str, bytes]) -> tuple[Compute, Compute]:
    """The two graphs in the engine of the service."""
    forward, inverse = engine.load({name: files[name] for name in GRAPHS}, EngineOptions())
    return lambda rows: forward.run({"x": rows}), lambda rows: inverse.run({"z": rows})
