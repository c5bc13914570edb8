"""The models and versions that the service serves or refuses, and how a request finds its model among them."""

import logging
from collections.abc import Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Self

from diffeo.bundle.errors import BundleError
from diffeo.bundle.read import read
from diffeo.runtime.errors import EngineFailed, ProviderMissing

from .. import model_loader
from ..errors import (
    InvalidRequest,
    ModelNotFound,
    RequestError,
    SettingsInvalid,
    VersionLoading,
    VersionNotFound,
    VersionRefused,
    listed,
)
from ..model import Model
from ..requests import ModelSelector
from ..settings import Settings
from .result import PreflightResult, PreflightResults
from .scan import VersionKey, check_default_model, find_versions, unreadable_models

# The error text of a runtime can have many lines and name its source files; the first line has the reason.
REASON_CHARACTERS: Final = 400

log = logging.getLogger("diffeo")


@dataclass(frozen=True, slots=True)
class RefusedVersion:
    """A version in the repository folder that is not served, and why.

    Attributes:
        version: its number.
        reason: one sentence.
        can_pass: True if the reason can pass by itself, so that the version is checked again later.
        is_loading: True if its check has not ended, so that it is not refused yet.
    """

    version: int
    reason: str
    can_pass: bool = False
    is_loading: bool = False


@dataclass(frozen=True, slots=True)
class Observation:
    """How far a served version computes from its golden vectors now.

    Attributes:
        model: the version.
        error: the largest error of a result, relative; NaN if it was not computed.
        reason: why the version is withheld; None if its error is small enough.
    """

    model: Model
    error: float
    reason: str | None


Entry = Model | RefusedVersion
Versions = Mapping[int, Entry]


class Repository:
    """The models by name and version. `replace` changes them all at once, so a request never sees a mixture.

    Args:
        models: served and refused versions. The name in a request is only looked up here; it never becomes a path.
        default: the model of requests that name none.
        precisions: by model, the precision of requests that name none.

    Attributes:
        loaded: the versions as they were loaded, those that are withheld included.
    """

    def __init__(
        self,
        models: Mapping[str, Versions],
        default: str | None = None,
        precisions: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.default = default
        self._precisions = precisions
        self.loaded = models
        self._observations: Mapping[VersionKey, Observation] = {}
        self._state = _State.of(models)

    @property
    def models(self) -> Mapping[str, Versions]:
        """All versions by model, served or refused. A version that is withheld counts as refused."""
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
        """True if a model is served and no version is withheld.

        A version that could never be served does not count: it harms no other.
        """
        return bool(self._state.newest) and not self.withheld

    @property
    def withheld(self) -> Mapping[VersionKey, str]:
        """The versions that were served and now compute wrong numbers, with the reason."""
        return {key: seen.reason for key, seen in self._observations.items() if seen.reason is not None}

    @property
    def single(self) -> str | None:
        """The model of requests that name none, if there is no default: the only served one, or the only one."""
        names = self._state.newest or self.models
        return next(iter(names)) if len(names) == 1 else None

    def replace(self, models: Mapping[str, Versions]) -> None:
        """Serve these versions from now on. A request that has found its model keeps that model."""
        self.loaded = models
        self.observe(self._observations)

    def observe(self, observations: Mapping[VersionKey, Observation]) -> None:
        """Withhold the versions that compute wrong numbers, and serve the others again."""
        self._observations = {
            key: seen for key, seen in observations.items() if self.loaded.get(key[0], {}).get(key[1]) is seen.model
        }
        self._state = _State.of(_without_withheld(self.loaded, self.withheld))

    def error(self, name: str, version: int) -> float | None:
        """How far a version computed from its golden vectors when it was last observed; None if it was not yet."""
        seen = self._observations.get((name, version))
        return None if seen is None else seen.error

    def find(self, selector: ModelSelector) -> Model:
        """The model that a request selects.

        Raises:
            InvalidRequest: the request names no model and there are several.
            ModelNotFound: there is no model of that name.
            VersionNotFound: the model has no such version.
            VersionRefused: the version exists and is refused.
            PrecisionNotFound: the version is not served in that precision.
        """
        name = selector.model or self.default or self.single
        if name is None:
            served = listed(self._state.newest or self.models)
            raise InvalidRequest.at("/model", f"several models are served, so name one: {served}")
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
            if entry.is_loading:
                raise VersionLoading(f"{name} version {entry.version} is loading: {entry.reason}")
            raise VersionRefused(f"{name} version {entry.version} was refused: {entry.reason}")
        return entry


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


def load(
    settings: Settings, executor: Executor, results: PreflightResults | None = None, *, checks_settings: bool = True
) -> Repository:
    """Read and load every bundle in the repository folder.

    Args:
        settings: the folder, and how to serve it.
        executor: threads for engine calls.
        results: of the preflight; a version that failed it, or that came after it, is not read. Without results, there
            was no preflight, and every version is read.
        checks_settings: check the names in the settings. A process that replaces one which served does not, because a
            model that has gone since then must not end the others.

    Raises:
        NothingToServe: the folder does not exist, cannot be read, has no version in it, or lacks the default model.
        ProviderMissing: this machine lacks the execution provider that the settings name.
        SettingsInvalid: DIFFEO_PRECISIONS names a model that does not exist, or a precision that it lacks.
    """

    def load_one(key: VersionKey) -> Entry:
        if results is not None and key not in results:
            return RefusedVersion(key[1], "its preflight has not run yet", can_pass=True, is_loading=True)
        return load_version(settings, key, executor, (results or {}).get(key))

    found = find_versions(settings)
    keys = [(name, number) for name, numbers in found.items() for number in numbers]
    models: dict[str, dict[int, Entry]] = {name: {} for name in found}
    # Not in `executor`, whose threads have a low priority.
    with ThreadPoolExecutor(settings.threads) as threads:
        for (name, number), entry in zip(keys, threads.map(load_one, keys), strict=True):
            models[name][number] = entry
    repository = Repository(models, settings.default_model, settings.precisions)
    if checks_settings:
        check_default_model(settings)
        for name in settings.precisions.keys() - unreadable_models(settings):
            _check_precision(repository, name)
    return repository


def load_version(  # noqa: PLR0913  (a version, its result, and how thoroughly it is checked)
    settings: Settings,
    key: VersionKey,
    executor: Executor,
    result: PreflightResult | None = None,
    seconds: float = 0.0,
    *,
    measures_memory: bool = False,
) -> Entry:
    """Read and load one bundle. A bundle that cannot be served is logged and returned as refused, with the reason.

    Args:
        settings: the folder, and how to serve it.
        key: the version.
        executor: threads for engine calls.
        result: of its preflight; what that has proved is not checked again.
        seconds: processor time for which each pair of graphs is compared on further rows.
        measures_memory: True in a process that computes nothing else: the memory of a call is measured.

    Raises:
        ProviderMissing: this machine lacks the execution provider that the settings name.
    """
    name, version = key
    if result is not None and result.reason is not None:
        return _unserved(key, result.reason, result)
    try:
        proof = None if result is None else result.proof
        bundle = read(settings.models / name / str(version), proof)
        if proof is not None and proof.digest != bundle.digest:
            return _refuse(key, "its files changed after its preflight", can_pass=True)
        return model_loader.load(
            bundle, name, version, settings, executor, proof, seconds, measures_memory=measures_memory
        )
    except ProviderMissing:
        raise
    except (BundleError, EngineFailed) as error:
        return _refuse(key, str(error), can_pass=False)
    except OSError as error:
        return _refuse(key, f"its files cannot be read ({error.strerror or type(error).__name__})", can_pass=True)
    except Exception as error:
        # A bundle can make the libraries raise any error. Only this version is refused.
        log.exception("a version could not be loaded", extra={"model": name, "version": version})
        return _refuse(key, f"it could not be loaded ({type(error).__name__}: {error})", can_pass=False)


def _unserved(key: VersionKey, reason: str, result: PreflightResult) -> RefusedVersion:
    if not result.is_loading:
        return _refuse(key, reason, can_pass=result.can_pass)
    name, version = key
    log.info("loading", extra={"model": name, "version": version, "reason": reason})
    return RefusedVersion(version, reason, can_pass=True, is_loading=True)


def _refuse(key: VersionKey, reason: str, *, can_pass: bool) -> RefusedVersion:
    name, version = key
    shown = reason.partition("\n")[0][:REASON_CHARACTERS]
    log.warning("refused", extra={"model": name, "version": version, "reason": shown})
    return RefusedVersion(version, shown, can_pass)


def _check_precision(repository: Repository, name: str) -> None:
    try:
        repository.find(ModelSelector(name, None))
    except (VersionRefused, VersionLoading):
        # The log and the responses name the reason, and it is not an error of the settings.
        return
    except RequestError as error:
        raise SettingsInvalid(f"DIFFEO_PRECISIONS: {error}") from None


def _without_withheld(models: Mapping[str, Versions], withheld: Mapping[VersionKey, str]) -> Mapping[str, Versions]:
    if not withheld:
        return models
    changed = {name: dict(versions) for name, versions in models.items()}
    for (name, version), reason in withheld.items():
        changed[name][version] = RefusedVersion(version, reason)
    return changed


def _newest_served(found: Versions) -> Model | None:
    served = [entry for entry in found.values() if isinstance(entry, Model)]
    return max(served, key=lambda entry: entry.version, default=None)


def _none_served(name: str, found: Versions) -> VersionRefused | VersionLoading:
    newest = found[max(found)]
    if isinstance(newest, RefusedVersion) and newest.is_loading:
        return VersionLoading(f"no version of {name} is served yet; version {newest.version} is loading")
    reason = newest.reason if isinstance(newest, RefusedVersion) else ""
    return VersionRefused(f"no version of {name} is served; version {max(found)} was refused: {reason}")
