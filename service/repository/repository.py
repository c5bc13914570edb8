"""The models and versions that the service serves or refuses, and how a request finds its model among them."""

import logging
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Self

from diffeo.bundle.errors import BundleError
from diffeo.bundle.read import read
from diffeo.runtime.errors import EngineFailed

from .. import model_loader
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
from .scan import VersionKey, find_versions

# The error text of a runtime can have many lines and name its source files; the first line has the reason.
REASON_CHARACTERS: Final = 400
NO_REFUSALS: Final[Mapping[VersionKey, str]] = MappingProxyType({})

log = logging.getLogger("diffeo")


@dataclass(frozen=True, slots=True)
class RefusedVersion:
    """A version in the repository folder that is not served, and why."""

    version: int
    reason: str


Entry = Model | RefusedVersion
Versions = Mapping[int, Entry]


class Repository:
    """The models by name and version. `replace` changes them all at once, so a request never sees a mixture.

    Args:
        models: served and refused versions. The name in a request is only looked up here; it never becomes a path.
        default: the model of requests that name none.
        precisions: by model, the precision of requests that name none.
    """

    def __init__(
        self,
        models: Mapping[str, Versions],
        default: str | None = None,
        precisions: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.default = default
        self._precisions = precisions
        self._state = _State.of(models)
        self._expected = frozenset(models)

    @property
    def models(self) -> Mapping[str, Versions]:
        """All versions by model, served or refused."""
        return self._state.models

    @property
    def served(self) -> int:
        """Number of models with a served version."""
        return len(self._state.newest)

    @property
    def fastest(self) -> Model | None:
        """The served model that needs the least time for one number; None if no model is served."""
        return self._state.fastest

    @property
    def ready(self) -> bool:
        """True if every model that was there at the start is served. Models that are added later do not count."""
        return self._expected <= self._state.newest.keys()

    def replace(self, models: Mapping[str, Versions]) -> None:
        """Serve these versions from now on. A request that has found its model keeps that model."""
        self._state = _State.of(models)

    def find(self, selector: ModelSelector) -> Model:
        """The model that a request selects.

        Raises:
            InvalidRequest: the request names no model and there are several.
            ModelNotFound: there is no model of that name.
            VersionNotFound: the model has no such version.
            VersionRefused: the version exists and is refused.
            PrecisionNotFound: the version is not served in that precision.
        """
        name = selector.model or self.default or self._single_name()
        found = self._newest(name) if selector.version is None else self._version(name, selector.version)
        return found.in_precision(selector.precision or self._precisions.get(name))

    def versions(self, name: str) -> Versions:
        """All versions of one model, served or refused.

        Raises:
            ModelNotFound: there is no model of that name.
        """
        if name not in self.models:
            raise ModelNotFound(f"no model of that name; there is: {listed(self.models)}")
        return self.models[name]

    def entry(self, name: str, version: int) -> Entry:
        """One version of one model, served or refused.

        Raises:
            ModelNotFound: there is no model of that name.
            VersionNotFound: the model has no such version.
        """
        found = self.versions(name)
        if version not in found:
            raise VersionNotFound(f"{name} has no version {version}; it has {listed(found)}")
        return found[version]

    def newest(self, name: str) -> Model | None:
        """The newest served version of a model; None if all its versions are refused.

        Raises:
            ModelNotFound: there is no model of that name.
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
        if isinstance(entry, RefusedVersion):
            raise VersionRefused(f"{name} version {entry.version} was refused: {entry.reason}")
        return entry

    def _single_name(self) -> str:
        models = self.models
        if len(models) == 1:
            return next(iter(models))
        raise InvalidRequest.at("/model", f"several models are served, so name one: {listed(models)}")


@dataclass(frozen=True, slots=True)
class _State:
    models: Mapping[str, Versions]
    newest: Mapping[str, Model]
    fastest: Model | None

    @classmethod
    def of(cls, models: Mapping[str, Versions]) -> Self:
        newest = {name: model for name, found in models.items() if (model := _newest_served(found)) is not None}
        fastest = min(newest.values(), key=lambda model: model.seconds_per_number, default=None)
        return cls(models, newest, fastest)


def load(settings: Settings, executor: Executor, refused: Mapping[VersionKey, str] = NO_REFUSALS) -> Repository:
    """Read and load every bundle in the repository folder.

    Args:
        settings: the folder, and how to serve it.
        executor: threads for engine calls.
        refused: versions that failed their preflight, with the reason; they are not read.

    Raises:
        NothingToServe: the folder does not exist, has no version in it, or lacks the default model.
        ProviderMissing: this machine lacks the execution provider that the settings name.
        SettingsInvalid: DIFFEO_PRECISIONS names a model that does not exist, or a precision that it lacks.
    """
    models = {
        name: {number: load_version(settings, (name, number), executor, refused) for number in numbers}
        for name, numbers in find_versions(settings).items()
    }
    repository = Repository(models, settings.default_model, settings.precisions)
    for name in settings.precisions:
        _check_precision(repository, name)
    return repository


def load_version(
    settings: Settings, key: VersionKey, executor: Executor, refused: Mapping[VersionKey, str] = NO_REFUSALS
) -> Entry:
    """Read and load one bundle. A bundle that cannot be served is logged and returned as refused, with the reason.

    Raises:
        ProviderMissing: this machine lacks the execution provider that the settings name.
    """
    name, version = key
    if key in refused:
        return _refuse(key, refused[key])
    try:
        return model_loader.load(read(settings.models / name / str(version)), name, version, settings, executor)
    except (BundleError, EngineFailed) as error:
        return _refuse(key, str(error).partition("\n")[0][:REASON_CHARACTERS])


def _refuse(key: VersionKey, reason: str) -> RefusedVersion:
    name, version = key
    log.warning("refused", extra={"model": name, "version": version, "reason": reason})
    return RefusedVersion(version, reason)


def _check_precision(repository: Repository, name: str) -> None:
    try:
        repository.find(ModelSelector(name, None))
    except VersionRefused:
        # The log and the responses name the reason, and it is not an error of the settings.
        return
    except RequestError as error:
        raise SettingsInvalid(f"DIFFEO_PRECISIONS: {error}") from None


def _newest_served(found: Versions) -> Model | None:
    served = [entry for entry in found.values() if isinstance(entry, Model)]
    return max(served, key=lambda entry: entry.version, default=None)


def _none_served(name: str, found: Versions) -> VersionRefused:
    newest = found[max(found)]
    reason = newest.reason if isinstance(newest, RefusedVersion) else ""
    return VersionRefused(f"no version of {name} is served; version {max(found)} was refused: {reason}")
