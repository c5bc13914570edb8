"""Finds the models and versions in the repository folder, and fingerprints their files without reading them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from diffeo.bundle.read import is_version, versions

from ..errors import NothingToServe, listed
from ..requests import MODEL_NAME
from ..settings import Settings

MAX_VERSION_DIGITS: Final = 10

VersionKey = tuple[str, int]  # name of the model, version
# Of each file in the folder of a version: name, size, time of change, inode. It differs after every change of a file.
Fingerprint = tuple[tuple[str, int, int, int], ...]


def version_number(text: str) -> int | None:
    """The version that a folder or a path of a request names; None if the text is no version.

    >>> version_number("12"), version_number("01")
    (12, None)
    """
    return int(text) if is_version(text) and len(text) <= MAX_VERSION_DIGITS else None


def find_versions(settings: Settings) -> dict[str, list[int]]:
    """The versions of each model in the repository folder.

    Raises:
        NothingToServe: the folder does not exist, has no version in it, or lacks the default model.
    """
    folder = settings.models
    if not folder.is_dir():
        raise NothingToServe(f"no model repository at {folder}; set DIFFEO_MODELS or --models")
    found = _versions(folder)
    if not found:
        raise NothingToServe(f"{folder} holds no bundle; expected {folder}/NAME/VERSION/manifest.json")
    if settings.default_model is not None and settings.default_model not in found:
        raise NothingToServe(f"the default model {settings.default_model!a} is not among {listed(found)}")
    return found


def fingerprints(folder: Path) -> Mapping[VersionKey, Fingerprint]:
    """The fingerprint of every version in the folder; empty if the folder does not exist."""
    if not folder.is_dir():
        return {}
    keys = [(name, number) for name, numbers in _versions(folder).items() for number in numbers]
    return {key: fingerprint(folder, key) for key in keys}


def fingerprint(folder: Path, key: VersionKey) -> Fingerprint:
    """The fingerprint of one version; empty if its folder does not exist."""
    name, version = key
    try:
        with os.scandir(folder / name / str(version)) as entries:
            return tuple(sorted(_file_state(entry) for entry in entries))
    except OSError:
        return ()


def _file_state(entry: "os.DirEntry[str]") -> tuple[str, int, int, int]:
    status = entry.stat(follow_symlinks=False)
    return entry.name, status.st_size, status.st_mtime_ns, status.st_ino


def _versions(folder: Path) -> dict[str, list[int]]:
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and MODEL_NAME.fullmatch(entry.name))
    return {name: numbers for name in names if (numbers := versions(folder / name))}
