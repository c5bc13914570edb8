"""Bundles fetched from a service, a folder for each digest: it holds that bundle whole, or it is not there."""

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
from diffeo.client.calls import Verbs
from diffeo.client.steps import Request, Steps

# A digest names a folder here, so nothing else may stand for one.
DIGEST: Final = re.compile(r"[0-9a-f]{64}")

# What a local model is made of: the bundle, its name, its version, what to compute in.
Parts = tuple[Bundle, str, int, str | None]


def fetched(verbs: Verbs, cache: Path | None) -> Steps[Parts]:
    """The bundle that would answer now, from the cache if it is there.

    Raises:
        DiffeoError: no version is served.
        DigestMismatch: what came is not what the service said.
        BundleError: it is no valid bundle.
    """
    shape = yield from verbs.shape()
    if not DIGEST.fullmatch(shape.digest):
        raise verbs.endpoint.stranger()
    folder = (cache or default_folder()) / shape.digest
    bundle = _intact(folder, shape.digest)
    if bundle is None:
        # What stands there is damaged; what another process puts there from now on is not.
        shutil.rmtree(folder, ignore_errors=True)
        files = yield from _files(verbs, shape.version, shape.digest)
        bundle = _kept(files, folder)
    return bundle, verbs.name, shape.version, verbs.precision


def default_folder() -> Path:
    """The user's own cache of bundles: $DIFFEO_CACHE, or where this system keeps caches."""
    if named := os.environ.get("DIFFEO_CACHE"):
        return Path(named)
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/diffeo"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "diffeo"


def _intact(folder: Path, digest: str) -> Bundle | None:
    try:
        bundle = read(folder)
    except BundleError:
        return None
    return bundle if bundle.digest == digest else None


def _files(verbs: Verbs, version: int, digest: str) -> Steps[dict[str, bytes]]:
    path = f"/models/{quote(verbs.name, safe='')}/versions/{version}/files"
    answer = yield from verbs.endpoint.exchange(Request("GET", f"{path}/{MANIFEST_NAME}"))
    text = _checked(MANIFEST_NAME, answer.content, digest)
    files: dict[str, bytes] = {}
    for name, entry in parse_manifest(text).files.items():
        answer = yield from verbs.endpoint.exchange(Request("GET", f"{path}/{name}"))
        files[name] = _checked(name, answer.content, entry.sha256)
    return {**files, MANIFEST_NAME: text, SEAL_NAME: seal(text)}


def _checked(name: str, content: bytes, sha256: str) -> bytes:
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DigestMismatch(f"{name} as it came is not the file that the service names (sha256 differs)")
    return content


def _kept(files: dict[str, bytes], folder: Path) -> Bundle:
    try:
        return place(files, folder)
    except VersionExists:
        # Another process fetched the same bytes meanwhile.
        return read(folder)
