"""The cache of downloaded bundles: one folder for each digest; a folder exists only with a whole bundle."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from diffeo.bundle.errors import BundleError, VersionExists
from diffeo.bundle.read import Bundle, read
from diffeo.bundle.write import write_files


def default_folder() -> Path:
    """The user's cache of bundles: $DIFFEO_CACHE, or `diffeo` in the cache folder of the operating system."""
    if folder := os.environ.get("DIFFEO_CACHE"):
        return Path(folder)
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/diffeo"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "diffeo"


def load(folder: Path, digest: str) -> Bundle | None:
    """The bundle with this digest from its folder in the cache; None if it is not there or damaged.

    A damaged copy is removed, so that the bundle can be stored again.
    """
    try:
        bundle = read(folder)
    except BundleError:
        bundle = None
    if bundle is None or bundle.digest != digest:
        shutil.rmtree(folder, ignore_errors=True)
        return None
    return bundle


def store(files: Mapping[str, bytes], folder: Path) -> Bundle:
    """Write the files of a bundle to its folder in the cache.

    Raises:
        BundleError: the files are not a valid bundle.
    """
    try:
        return write_files(files, folder)
    except VersionExists:
        # Another process stored the same bundle in the meantime.
        return read(folder)
