"""Downloads bundles from a service into a cache with one folder per digest; a folder is written whole or not at all."""

import hashlib
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Final
from urllib.parse import quote

from diffeo.bundle.errors import BundleError, DigestMismatch, VersionExists
from diffeo.bundle.manifest import MANIFEST_NAME, SEAL_NAME
from diffeo.bundle.read import Bundle, parse_manifest, read, seal
from diffeo.bundle.write import place
from diffeo.client.calls import ModelCalls
from diffeo.client.steps import Request, Steps

# The digest becomes a folder name, so the service must not be able to send a path.
DIGEST: Final = re.compile(r"[0-9a-f]{64}")

# The arguments of LocalModel: bundle, model name, version, precision.
FetchedBundle = tuple[Bundle, str, int, str | None]


def fetch_bundle(calls: ModelCalls, cache: Path | None) -> Steps[FetchedBundle]:
    """The bundle of the version that answers now, from the cache or from the service.

    Raises:
        DiffeoError: no version is served.
        DigestMismatch: a downloaded file differs from the digest that the service states.
        BundleError: the bundle is not valid.
    """
    info = yield from calls.version_info()
    if not DIGEST.fullmatch(info.digest):
        raise calls.service.unexpected_response()
    folder = (cache or default_folder()) / info.digest
    bundle = _read_cached(folder, info.digest)
    if bundle is None:
        # Only a damaged copy can be here; another process that downloads the same bundle writes it anew.
        shutil.rmtree(folder, ignore_errors=True)
        files = yield from _download(calls, info.version, info.digest)
        bundle = _store(files, folder)
    return bundle, calls.name, info.version, calls.precision


def default_folder() -> Path:
    """The user's cache of bundles: $DIFFEO_CACHE, or `diffeo` in the cache folder of the operating system."""
    if folder := os.environ.get("DIFFEO_CACHE"):
        return Path(folder)
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/diffeo"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "diffeo"


def _read_cached(folder: Path, digest: str) -> Bundle | None:
    try:
        bundle = read(folder)
    except BundleError:
        return None
    return bundle if bundle.digest == digest else None


def _download(calls: ModelCalls, version: int, digest: str) -> Steps[dict[str, bytes]]:
    path = f"/models/{quote(calls.name, safe='')}/versions/{version}/files"
    response = yield from calls.service.fetch(Request("GET", f"{path}/{MANIFEST_NAME}"))
    manifest = _verified(MANIFEST_NAME, response.content, digest)
    files: dict[str, bytes] = {}
    for name, entry in parse_manifest(manifest).files.items():
        response = yield from calls.service.fetch(Request("GET", f"{path}/{name}"))
        files[name] = _verified(name, response.content, entry.sha256)
    return {**files, MANIFEST_NAME: manifest, SEAL_NAME: seal(manifest)}


def _verified(name: str, content: bytes, sha256: str) -> bytes:
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DigestMismatch(f"the downloaded {name} differs from the file that the service names (sha256)")
    return content


def _store(files: dict[str, bytes], folder: Path) -> Bundle:
    try:
        return place(files, folder)
    except VersionExists:
        # Another process stored the same bundle in the meantime.
        return read(folder)
