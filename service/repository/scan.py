"""The repository's folder from outside: names, numbers and marks. Nothing in it is read here."""

import os
from collections.abc import Mapping
from pathlib import Path

from diffeo.bundle.read import versions

from ..errors import NothingToServe, listed
from ..requests import MODEL_NAME
from ..settings import Settings

Key = tuple[str, int]  # a model's name and a version of it
# Of each file in a version's folder: its name, size, time of change and place on the disk. It changes with the files.
Mark = tuple[tuple[str, int, int, int], ...]


def look(settings: Settings) -> dict[str, list[int]]:
    """The names in the folder of the settings, and the versions of each.

    Raises:
        NothingToServe: there is no such folder, no version in it, or the default model is not in it.
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


def marks(folder: Path) -> Mapping[Key, Mark]:
    """The mark of every version; nothing where there is no such folder."""
    if not folder.is_dir():
        return {}
    keys = [(name, number) for name, numbers in _versions(folder).items() for number in numbers]
    return {key: mark(folder, key) for key in keys}


def mark(folder: Path, key: Key) -> Mark:
    """The mark of one version; empty where its folder has gone."""
    name, version = key
    try:
        with os.scandir(folder / name / str(version)) as entries:
            return tuple(sorted(_trait(entry) for entry in entries))
    except OSError:
        return ()


def _trait(entry: "os.DirEntry[str]") -> tuple[str, int, int, int]:
    status = entry.stat(follow_symlinks=False)
    return entry.name, status.st_size, status.st_mtime_ns, status.st_ino


def _versions(folder: Path) -> dict[str, list[int]]:
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and MODEL_NAME.fullmatch(entry.name))
    return {name: numbers for name in names if (numbers := versions(folder / name))}
