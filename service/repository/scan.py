"""Finds the models and versions in the repository folder, and fingerprints their files without reading them.

Anything can lie in the folder: a name that is not UTF-8, a link in a circle, a folder that nobody may read. Such an
entry changes nothing for the others.
"""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from diffeo.bundle.read import MAX_VERSION_DIGITS, is_version

from ..errors import NothingToServe, listed
from ..requests import MODEL_NAME
from ..settings import Settings

# A bundle has at most a dozen files. Of a folder with more than this, the fingerprint does not list each file.
MAX_FILES: Final = 64

VersionKey = tuple[str, int]  # name of the model, version
# Of each file in the folder of a version: name, size, times of the last change of content and of status, inode. It
# differs after every change of a file or of its permissions.
FileState = tuple[str, int, int, int, int]
Fingerprint = tuple[FileState, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """The content of the repository folder.

    Attributes:
        versions: the fingerprint of each version.
        unreadable: by name of a model whose folder cannot be listed, the error; its versions are unknown.
        ignored: by path of a folder in the folder of a model, why it is no version although it looks like one.
        seconds: processor time that the search took.
    """

    versions: Mapping[VersionKey, Fingerprint] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    ignored: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def version_number(text: str) -> int | None:
    """The version that a folder or a path of a request names; None if the text is no version.

    >>> version_number("12"), version_number("01")
    (12, None)
    """
    return int(text) if is_version(text) and len(text) <= MAX_VERSION_DIGITS else None


def find_versions(settings: Settings) -> dict[str, list[int]]:
    """The versions of each model in the repository folder.

    Raises:
        NothingToServe: the folder does not exist, cannot be read, or has no version in it.
    """
    folder = settings.models
    if not os.path.isdir(folder):  # noqa: PTH112  (unlike pathlib, it raises nothing if the folder cannot be reached)
        raise NothingToServe(f"no model repository at {folder}; set DIFFEO_MODELS or --models")
    try:
        keys = find(folder).versions
    except OSError as error:
        raise NothingToServe(f"the model repository {folder} cannot be read ({error.strerror})") from None
    found: dict[str, list[int]] = {}
    for name, number in keys:
        found.setdefault(name, []).append(number)
    if not found:
        raise NothingToServe(f"{folder} holds no bundle; expected {folder}/NAME/VERSION/manifest.json")
    return found


def unreadable_models(settings: Settings) -> frozenset[str]:
    """The models whose folders cannot be listed now."""
    try:
        return frozenset(find(settings.models).unreadable)
    except OSError:
        return frozenset()


def check_default_model(settings: Settings) -> None:
    """Check that the repository folder has the default model; its folder may be one that cannot be listed now.

    Raises:
        NothingToServe: it has not, or `find_versions` raises it.
    """
    names = {*find_versions(settings), *unreadable_models(settings)}
    if settings.default_model is not None and settings.default_model not in names:
        raise NothingToServe(f"the default model {settings.default_model!a} is not among {listed(sorted(names))}")


def find(folder: Path) -> Found:
    """All versions in the folder, in order; none if the folder does not exist.

    Raises:
        OSError: the folder exists and cannot be listed.
    """
    began = time.thread_time()
    versions: dict[VersionKey, Fingerprint] = {}
    unreadable: dict[str, str] = {}
    ignored: dict[str, str] = {}
    for name in _model_names(folder):
        try:
            numbers = _versions(folder / name, ignored)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            unreadable[name] = error.strerror or type(error).__name__
            continue
        versions |= {(name, number): fingerprint(folder, (name, number)) for number in numbers}
    return Found(versions, unreadable, ignored, time.thread_time() - began)


def fingerprints(folder: Path) -> Mapping[VersionKey, Fingerprint]:
    """The fingerprint of every version in the folder; empty if the folder does not exist or cannot be listed."""
    try:
        return find(folder).versions
    except OSError:
        return {}


def fingerprint(folder: Path, key: VersionKey) -> Fingerprint:
    """The fingerprint of one version; empty if its folder does not exist or cannot be read."""
    name, version = key
    path = folder / name / str(version)
    try:
        with os.scandir(path) as entries:
            states: list[FileState] = []
            for entry in entries:
                if len(states) == MAX_FILES:
                    return (_state(f"more than {MAX_FILES} files", os.stat(path)),)  # noqa: PTH116  (as fast as it gets)
                states.append(_state(entry.name, entry.stat(follow_symlinks=False)))
            return tuple(sorted(states))
    except OSError:
        return ()


def _state(name: str, status: os.stat_result) -> FileState:
    return name, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _model_names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if MODEL_NAME.fullmatch(entry.name) and _is_folder(entry))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link in a circle.
        return False


def _versions(model: Path, ignored: dict[str, str]) -> list[int]:
    with os.scandir(model) as entries:
        return sorted(_numbers(entries, model, ignored))


def _numbers(entries: "Iterator[os.DirEntry[str]]", model: Path, ignored: dict[str, str]) -> Iterator[int]:
    for entry in entries:
        if not is_version(entry.name):
            continue
        number = version_number(entry.name)
        if number is None:
            ignored[f"{model.name}/{entry.name}"] = f"a version has at most {MAX_VERSION_DIGITS} digits"
        else:
            yield number
