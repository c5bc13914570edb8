"""Downloads the bundle of a model, verifies every file against its digest, and stores it in the cache.

Imported only by `local()`, because it needs the packages of `diffeo[local]`.
"""

import hashlib
import re
from pathlib import Path
from typing import Final
from urllib.parse import quote

from diffeo.bundle.errors import DigestMismatch
from diffeo.bundle.manifest import MANIFEST_NAME, SEAL_NAME
from diffeo.bundle.read import Bundle, parse_manifest, seal
from diffeo.local import cache

from .calls import ModelCalls
from .steps import Request, Steps

# The digest becomes a folder name, so the service must not be able to send a path.
DIGEST: Final = re.compile(r"[0-9a-f]{64}")

# The arguments of LocalModel: bundle, model name, version, precision.
LocalModelArguments = tuple[Bundle, str, int, str | None]


def fetch_bundle(calls: ModelCalls, cache_folder: Path | None) -> Steps[LocalModelArguments]:
    """The bundle of the version that answers now, from the cache or from the service.

    Raises:
        DiffeoError: no version is served.
        DigestMismatch: a downloaded file differs from the digest that the service states.
        BundleError: the bundle is not valid.
    """
    info = yield from calls.version_info()
    if not DIGEST.fullmatch(info.digest):
        raise calls.service.unexpected_response()
    folder = (cache_folder or cache.default_folder()) / info.digest
    bundle = cache.load(folder, info.digest)
    if bundle is None:
        files = yield from _download(calls, info.version, info.digest)
        bundle = cache.store(files, folder)
    return bundle, calls.name, info.version, calls.precision


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
