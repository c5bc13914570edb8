"""The repository as the service sees it: a folder becomes models, and every bundle that was refused says why."""

import logging
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Self

from diffeo.bundle.errors import BundleError
from diffeo.bundle.read import read
from diffeo.runtime.errors import EngineFailed

from .. import model
from ..errors import (
    InvalidRequest,
    ModelNotFound,
    RequestError,
    SettingsInvalid,
    VersionNotFound,
    VersionRefused,
    listed,
)
from ..model import Model
from ..requests import ModelSelector
from ..settings import Settings
from .scan import Key, look

# A runtime's own words can fill pages and name its files; the first line says what is wrong.
REASON_CHARACTERS: Final = 400
NOTHING: Final[Mapping[Any, Any]] = MappingProxyType({})

log = logging.getLogger("diffeo")


@dataclass(frozen=True, slots=True)
class Refused:
    """A version that is on disk and is not served."""

    version: int
    reason: str


Versions = Mapping[int, Model | Refused]


class Repository:
    """Every model found, by name and version; replaced as a whole, so that a request sees one state of it.

    Args:
        models: what is served or refused; a name from a request is only ever a key of this mapping, never a path.
        default: the model for requests that name none.
        precisions: by model, the precision for requests that name none.
    """

    def __init__(
        self, models: Mapping[str, Versions], default: str | None = None, precisions: Mapping[str, str] = NOTHING
    ) -> None:
        self.default = default
        self._precisions = precisions
        self._state = _State.of(models)
        self._expected = frozenset(models)

    @property
    def models(self) -> Mapping[str, Versions]:
        """What is served or refused."""
        return self._state.models

    @property
    def served(self) -> int:
        """How many models have a served version."""
        return len(self._state.newest)

    @property
    def ready(self) -> bool:
        """Every model of the beginning is served; one that was published since and refused harms nobody else."""
        return self._expected <= self._state.newest.keys()

    def replace(self, models: Mapping[str, Versions]) -> None:
        """Serve these from now on; whoever has found a model goes on with that."""
        self._state = _State.of(models)

    def find(self, address: ModelSelector) -> Model:
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
        return found.at(address.precision or self._precisions.get(name))

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

    def newest(self, name: str) -> Model | None:
        """The newest served version of a model; None where all were refused.

        Raises:
            ModelNotFound: no model of that name.
        """
        self.versions(name)
        return self._state.newest.get(name)

    def _newest(self, name: str) -> Model:
        state = self._state
        if name in state.newest:
            return state.newest[name]
        raise _none_served(name, self.versions(name))

    def _version(self, name: str, version: int) -> Model:
        entry = self.entry(name, version)
        if isinstance(entry, Refused):
            raise VersionRefused(f"{name} version {entry.version} was refused: {entry.reason}")
        return entry

    def _only(self) -> str:
        models = self.models
        if len(models) == 1:
            return next(iter(models))
        raise InvalidRequest.at("/model", f"several models are served, so name one: {listed(models)}")


@dataclass(frozen=True, slots=True)
class _State:
    models: Mapping[str, Versions]
    newest: Mapping[str, Model]

    @classmethod
    def of(cls, models: Mapping[str, Versions]) -> Self:
        newest = {name: model for name, found in models.items() if (model := _newest_served(found)) is not None}
        return cls(models, newest)


def load(settings: Settings, executor: Executor, faults: Mapping[Key, str] = NOTHING) -> Repository:
    """Read and load every bundle in the folder of the settings.

    Args:
        settings: which folder, and how to serve it.
        executor: threads that engines run on.
        faults: versions that are refused unread, and why.

    Raises:
        NothingToServe: there is no such folder, no version in it, or the default model is not in it.
        ProviderMissing: the settings ask for a device that is not here.
        SettingsInvalid: a model that the settings give a precision is not there, or not in that one.
    """
    models = {
        name: {number: load_version(settings, (name, number), executor, faults) for number in numbers}
        for name, numbers in look(settings).items()
    }
    repository = Repository(models, settings.default_model, settings.precisions)
    for name in settings.precisions:
        _check_precision(repository, name)
    return repository


def load_version(
    settings: Settings, key: Key, executor: Executor, faults: Mapping[Key, str] = NOTHING
) -> Model | Refused:
    """Read and load one bundle, or say why not.

    Raises:
        ProviderMissing: the settings ask for a device that is not here.
    """
    name, version = key
    if key in faults:
        return _refused(key, faults[key])
    try:
        return model.load(read(settings.models / name / str(version)), name, version, settings, executor)
    except (BundleError, EngineFailed) as error:
        return _refused(key, str(error).partition("\n")[0][:REASON_CHARACTERS])


def _refused(key: Key, reason: str) -> Refused:
    name, version = key
    log.warning("refused", extra={"model": name, "version": version, "reason": reason})
    return Refused(version, reason)


def _check_precision(repository: Repository, name: str) -> None:
    try:
        repository.find(ModelSelector(name, None))
    except VersionRefused:
        # Why is logged, and requests are told; it is no fault of the settings.
        return
    except RequestError as error:
        raise SettingsInvalid(f"DIFFEO_PRECISIONS: {error}") from None


def _newest_served(found: Versions) -> Model | None:
    served = [entry for entry in found.values() if isinstance(entry, Model)]
    return max(served, key=lambda entry: entry.version, default=None)


def _none_served(name: str, found: Versions) -> VersionRefused:
    newest = found[max(found)]
    reason = newest.reason if isinstance(newest, Refused) else ""
    return VersionRefused(f"no version of {name} is served; version {max(found)} was refused: {reason}")
