"""The repository as the service sees it: a folder becomes models, and every bundle that was refused says why."""

import logging
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bundle.errors import BundleError
from bundle.read import read, versions
from service import model
from service.errors import (
    EngineFailed,
    InvalidRequest,
    ModelNotFound,
    NothingToServe,
    RequestError,
    SettingsInvalid,
    VersionNotFound,
    VersionRefused,
    listed,
)
from service.model import Model
from service.requests import NAME, Address
from service.settings import Settings

# A runtime's own words can fill pages and name its files; the first line says what is wrong.
REASON_CHARACTERS: Final = 400

log = logging.getLogger("diffeo")


@dataclass(frozen=True, slots=True)
class Refused:
    """A version that is on disk and is not served."""

    version: int
    reason: str


Versions = Mapping[int, Model | Refused]


@dataclass(frozen=True, slots=True)
class Repository:
    """Every model found, by name and version.

    Args:
        models: what is served or refused; a name from a request is only ever a key of this mapping, never a path.
        default: the model for requests that name none.
        newest: the newest served version of each model that has one.
        precisions: by model, the precision for requests that name none.
    """

    models: Mapping[str, Versions]
    default: str | None
    newest: Mapping[str, Model] = field(default_factory=dict)
    precisions: Mapping[str, str] = field(default_factory=dict)

    def find(self, address: Address) -> Model:
        """The model that a request means.

        Raises:
            InvalidRequest: the request names no model and there are several.
            ModelNotFound: no model of that name is served.
            VersionNotFound: that model has no such version.
            VersionRefused: that version is there, and its bundle was refused.
            PrecisionNotFound: that version has no graphs of that precision.
        """
        name = address.model or self.default or self._only()
        found = self._newest(name) if address.version is None else self._version(name, address.version)
        return found.at(address.precision or self.precisions.get(name))

    def versions(self, name: str) -> Versions:
        """All versions of one model, served or refused.

        Raises:
            ModelNotFound: no model of that name.
        """
        if name not in self.models:
            raise ModelNotFound(f"no model of that name; there is: {listed(self.models)}")
        return self.models[name]

    def entry(self, name: str, version: int) -> Model | Refused:
        """One version of one model, served or refused.

        Raises:
            ModelNotFound: no model of that name.
            VersionNotFound: that model has no such version.
        """
        found = self.versions(name)
        if version not in found:
            raise VersionNotFound(f"{name} has no version {version}; it has {listed(found)}")
        return found[version]

    def _newest(self, name: str) -> Model:
        if name not in self.newest:
            raise _none_served(name, self.versions(name))
        return self.newest[name]

    def _version(self, name: str, version: int) -> Model:
        entry = self.entry(name, version)
        if isinstance(entry, Refused):
            raise VersionRefused(f"{name} version {entry.version} was refused: {entry.reason}")
        return entry

    def _only(self) -> str:
        if len(self.models) == 1:
            return next(iter(self.models))
        raise InvalidRequest.at("/model", f"several models are served, so name one: {listed(self.models)}")


def load(settings: Settings, executor: Executor) -> Repository:
    """Read and load every bundle in the folder of the settings.

    Raises:
        NothingToServe: there is no such folder, no version in it, or the default model is not in it.
        ProviderMissing: the settings ask for a device that is not here.
        SettingsInvalid: a model that the settings give a precision is not there, or not in that one.
    """
    models = {
        name: {number: _load_version(settings.models / name, name, number, settings, executor) for number in numbers}
        for name, numbers in look(settings).items()
    }
    newest = {name: model for name, found in models.items() if (model := _newest_served(found)) is not None}
    repository = Repository(models, settings.default_model, newest, settings.precisions)
    for name in settings.precisions:
        _check_precision(repository, name)
    return repository


def _check_precision(repository: Repository, name: str) -> None:
    try:
        repository.find(Address(name, None))
    except VersionRefused:
        # Why is logged, and requests are told; it is no fault of the settings.
        return
    except RequestError as error:
        raise SettingsInvalid(f"DIFFEO_PRECISIONS: {error}") from None


def look(settings: Settings) -> dict[str, list[int]]:
    """The names and versions in the folder of the settings, unread.

    Raises:
        NothingToServe: there is no such folder, no version in it, or the default model is not in it.
    """
    folder = settings.models
    if not folder.is_dir():
        raise NothingToServe(f"no model repository at {folder}; set DIFFEO_MODELS or --models")
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and NAME.fullmatch(entry.name))
    found = {name: numbers for name in names if (numbers := versions(folder / name))}
    if not found:
        raise NothingToServe(f"{folder} holds no bundle; expected {folder}/NAME/VERSION/manifest.json")
    if settings.default_model is not None and settings.default_model not in found:
        raise NothingToServe(f"the default model {settings.default_model!a} is not among {listed(found)}")
    return found


def _load_version(folder: Path, name: str, version: int, settings: Settings, executor: Executor) -> Model | Refused:
    try:
        return model.load(read(folder / str(version)), name, version, settings, executor)
    except (BundleError, EngineFailed) as error:
        reason = str(error).partition("\n")[0][:REASON_CHARACTERS]
        log.warning("refused", extra={"model": name, "version": version, "reason": reason})
        return Refused(version, reason)


def _newest_served(found: Versions) -> Model | None:
    served = [entry for entry in found.values() if isinstance(entry, Model)]
    return max(served, key=lambda entry: entry.version, default=None)


def _none_served(name: str, found: Versions) -> VersionRefused:
    newest = found[max(found)]
    reason = newest.reason if isinstance(newest, Refused) else ""
    return VersionRefused(f"no version of {name} is served; version {max(found)} was refused: {reason}")
