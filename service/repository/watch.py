"""Watches the repository folder while the service runs: serves new versions and withdraws deleted ones.

A version is loaded when two scans in a row found the same files in it. It passes its preflight in a separate process,
is loaded and warmed up here, and then one assignment makes it visible to requests. Running requests keep the version
that they started with. A bad version is refused and changes nothing else.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Final

from ..model import Model
from ..settings import Settings
from . import preflight, repository, scan
from .preflight import PreflightResults
from .repository import Entry, Repository, Versions
from .scan import Fingerprint, VersionKey

# A version is loaded after two scans, so a new version is noticed within twice this time.
SCAN_SECONDS: Final = 0.5

Preflight = Callable[[Settings, Sequence[VersionKey]], Awaitable[PreflightResults]]

log = logging.getLogger("diffeo")


class RepositoryWatcher:
    """Scans one folder periodically and updates the repository.

    Args:
        repository: the served and refused versions; the watcher replaces them.
        settings: the folder, and how to serve it.
        executor: threads for engine calls.
        loader: the thread that loads bundles.
        loaded: fingerprints of the versions that the repository holds now.
        check: runs the preflight of versions.
    """

    def __init__(  # noqa: PLR0913, PLR0917  (the parts that a watcher connects)
        self,
        repository: Repository,
        settings: Settings,
        executor: Executor,
        loader: Executor,
        loaded: Mapping[VersionKey, Fingerprint],
        check: Preflight = preflight.check,
    ) -> None:
        self._repository = repository
        self._settings = settings
        self._executor = executor
        self._loader = loader
        self._loaded = dict(loaded)
        self._last_scan = dict(loaded)
        self._check = check

    async def run(self) -> None:
        """Scan until cancelled."""
        while True:
            await asyncio.sleep(SCAN_SECONDS)
            try:
                await self.scan()
            except Exception:
                # A disk that fails for a moment must not end the watcher, and the served versions stay.
                log.exception("the repository folder could not be scanned")

    async def scan(self) -> None:
        """Scan once: load the versions whose files no longer change, and withdraw the deleted ones."""
        found = await asyncio.to_thread(scan.fingerprints, self._settings.models)
        stable = {
            key: fingerprint
            for key, fingerprint in found.items()
            if self._loaded.get(key) != fingerprint == self._last_scan.get(key)
        }
        self._last_scan = dict(found)
        before = _by_key(self._repository.models)
        loaded = await self._load_stable(stable, before)
        self._loaded = {key: state for key, state in {**self._loaded, **stable}.items() if key in found}
        after = _without_deleted({**before, **loaded}, found)
        if after != before:
            self._repository.replace(_by_name(after))
            _log_changes(before, after)

    async def _load_stable(
        self, stable: Collection[VersionKey], before: Mapping[VersionKey, Entry]
    ) -> dict[VersionKey, Entry]:
        served = {key for key in stable if isinstance(before.get(key), Model)}
        # A served version that was deleted and published again counts as new. If it is refused, the old one stays.
        changed = {key for key in served if key in self._loaded}
        _log(logging.WARNING, "the files of a served version changed; the version is served as it was loaded", changed)
        new = sorted(set(stable) - changed)
        loaded = await self._load(new) if new else {}
        return {key: entry for key, entry in loaded.items() if isinstance(entry, Model) or key not in served}

    async def _load(self, keys: Sequence[VersionKey]) -> dict[VersionKey, Entry]:
        results = await self._check(self._settings, keys)
        refused = {key: result.reason for key, result in results.items() if result.reason is not None}
        return await asyncio.get_running_loop().run_in_executor(self._loader, self._load_in_thread, keys, refused)

    def _load_in_thread(self, keys: Sequence[VersionKey], refused: Mapping[VersionKey, str]) -> dict[VersionKey, Entry]:
        return {key: repository.load_version(self._settings, key, self._executor, refused) for key in keys}


def _by_key(models: Mapping[str, Versions]) -> dict[VersionKey, Entry]:
    return {(name, version): entry for name, found in models.items() for version, entry in found.items()}


def _by_name(entries: Mapping[VersionKey, Entry]) -> dict[str, dict[int, Entry]]:
    models: dict[str, dict[int, Entry]] = {}
    for (name, version), entry in sorted(entries.items(), key=lambda item: item[0]):
        models.setdefault(name, {})[version] = entry
    return models


def _without_deleted(entries: Mapping[VersionKey, Entry], found: Collection[VersionKey]) -> dict[VersionKey, Entry]:
    """The versions that are in the folder; of a model with no served version left there, also its newest served one."""
    present = {key: entry for key, entry in entries.items() if key in found}
    still_served = {name for (name, _), entry in present.items() if isinstance(entry, Model)}
    served = (key for key, entry in entries.items() if isinstance(entry, Model))
    kept = _newest(key for key in served if key[0] not in still_served)
    return {key: entry for key, entry in entries.items() if key in present or key in kept}


def _newest(keys: Iterable[VersionKey]) -> set[VersionKey]:
    newest: dict[str, int] = {}
    for name, version in keys:
        newest[name] = max(version, newest.get(name, version))
    return set(newest.items())


def _log_changes(before: Mapping[VersionKey, Entry], after: Mapping[VersionKey, Entry]) -> None:
    # A refused version is logged where it is refused, so only served versions are logged here.
    published = (key for key, entry in after.items() if isinstance(entry, Model) and before.get(key) is not entry)
    withdrawn = (key for key, entry in before.items() if isinstance(entry, Model) and key not in after)
    _log(logging.INFO, "published", published)
    _log(logging.INFO, "withdrawn", withdrawn)


def _log(level: int, message: str, keys: Iterable[VersionKey]) -> None:
    for name, version in keys:
        log.log(level, message, extra={"model": name, "version": version})
