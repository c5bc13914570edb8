"""Watches the repository folder while the service runs: serves new versions and withdraws deleted ones.

A version is loaded when two scans in a row found the same files in it. It passes its preflight in a separate process,
is loaded and warmed up here, and then one assignment makes it visible to requests. Running requests keep the version
that they started with. A bad version is refused and changes nothing else, and a slow one delays no other.
"""

import asyncio
import logging
import time
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from ..model import Model
from ..settings import Settings
from . import repository, scan
from .repository import Entry, RefusedVersion, Repository, Versions
from .result import Check
from .scan import Fingerprint, Found, VersionKey

# A version is loaded after two scans, so a new version is noticed within twice this time.
SCAN_SECONDS: Final = 0.5
# The wait after a scan, in processor times of the scan: scans of a large folder take at most a twenty-fifth of a core.
PAUSE: Final = 25
# A version whose reason can pass is checked again after the first time, then after twice that time, and so on.
FIRST_RETRY_SECONDS: Final = 10.0
MAX_RETRY_SECONDS: Final = 320.0

log = logging.getLogger("diffeo")


@dataclass(frozen=True, slots=True)
class Retry:
    """When a refused version is checked again, in monotonic time, and how long the wait is."""

    at: float
    wait: float

    @classmethod
    def after(cls, last: "Retry | None", entry: Entry) -> "Retry":
        """The retry after another one; at once if the check of the version did not end."""
        wait = FIRST_RETRY_SECONDS if last is None else min(2 * last.wait, MAX_RETRY_SECONDS)
        is_loading = isinstance(entry, RefusedVersion) and entry.is_loading
        return cls(time.monotonic() + (0 if is_loading else wait), wait)


class RepositoryWatcher:
    """Scans one folder periodically and updates the repository.

    Args:
        repository: the served and refused versions; the watcher replaces them.
        settings: the folder, and how to serve it.
        executor: threads for engine calls.
        loader: the thread that loads bundles.
        loaded: fingerprints of the versions that the repository holds now.
        check: runs the preflight of a version.
    """

    def __init__(  # noqa: PLR0913, PLR0917  (the parts that a watcher connects)
        self,
        repository: Repository,
        settings: Settings,
        executor: Executor,
        loader: Executor,
        loaded: Mapping[VersionKey, Fingerprint],
        check: Check,
    ) -> None:
        self._repository = repository
        self._settings = settings
        self._executor = executor
        self._loader = loader
        self._check = check
        # A disk that does not answer must not take a thread that requests need.
        self._scanner = ThreadPoolExecutor(1, thread_name_prefix="scan")
        self._loaded = dict(loaded)
        # The versions whose files were refused while the model that was loaded before from other files is still served.
        self._refused: set[VersionKey] = set()
        self._last_scan = Found(dict(loaded))
        self._tasks: dict[VersionKey, asyncio.Task[None]] = {}
        self._retries = {
            key: Retry.after(None, entry) for key, entry in _by_key(repository.loaded).items() if _can_pass(entry)
        }

    async def run(self) -> None:
        """Scan until cancelled."""
        failed = False
        while True:
            await asyncio.sleep(max(SCAN_SECONDS, PAUSE * self._last_scan.seconds))
            try:
                await self.scan()
                failed = False
            except Exception:
                # A disk that fails for a moment must not end the watcher, and the served versions stay.
                if not failed:
                    log.exception("the repository folder could not be scanned")
                failed = True

    async def scan(self) -> None:
        """Scan once: withdraw the deleted versions, and begin to load the versions whose files no longer change."""
        running = asyncio.get_running_loop()
        found = await running.run_in_executor(self._scanner, scan.find, self._settings.models)
        last, self._last_scan = self._last_scan, found
        _log_unreadable(last, found)
        stable = {key for key, state in found.versions.items() if last.versions.get(key) == state}
        changed = {key for key in stable - self._tasks.keys() if self._loaded.get(key) != found.versions[key]}
        present = {key for key in self._loaded if self._is_present(key)}
        self._loaded = {key: state for key, state in self._loaded.items() if key in present}
        self._refused &= present
        self._apply({})
        for key in sorted(changed | self._due(stable)):
            self._begin(key, found.versions[key])

    async def settle(self) -> None:
        """Wait until the versions that earlier scans found are served or refused."""
        await asyncio.gather(*self._tasks.values())

    def _begin(self, key: VersionKey, fingerprint: Fingerprint) -> None:
        # A served version that was deleted and published again counts as new until its new files are served.
        is_loaded = key in self._loaded and key not in self._refused
        self._loaded[key] = fingerprint
        if is_loaded and isinstance(self._entries().get(key), Model):
            message = "the files of a served version changed; the version is served as it was loaded"
            _log(logging.WARNING, message, [key])
            return
        task = asyncio.create_task(self._load(key))
        self._tasks[key] = task
        task.add_done_callback(lambda _: self._tasks.pop(key))

    async def _load(self, key: VersionKey) -> None:
        try:
            result = await self._check(key)
            running = asyncio.get_running_loop()
            arguments = self._settings, key, self._executor, result
            entry = await running.run_in_executor(self._loader, repository.load_version, *arguments)
        except Exception as error:
            # An error of one version leaves the others alone: they are scanned and served.
            log.exception("a version could not be checked", extra={"model": key[0], "version": key[1]})
            entry = RefusedVersion(key[1], f"it could not be checked ({type(error).__name__})", can_pass=True)
        if not self._is_present(key):
            return
        last = self._retries.pop(key, None)
        if _can_pass(entry):
            self._retries[key] = Retry.after(last, entry)
        if isinstance(entry, RefusedVersion) and isinstance(self._entries().get(key), Model):
            # The served version of the same number stays, until the new files are good.
            self._refused.add(key)
        else:
            self._refused.discard(key)
            self._apply({key: entry})

    def _due(self, stable: Collection[VersionKey]) -> set[VersionKey]:
        now = time.monotonic()
        self._retries = {key: retry for key, retry in self._retries.items() if self._is_present(key)}
        due = {key for key, retry in self._retries.items() if retry.at <= now}
        return {key for key in due if key in stable and key not in self._tasks}

    def _apply(self, loaded: Mapping[VersionKey, Entry]) -> None:
        before = self._entries()
        present = {key for key in {*before, *loaded} if self._is_present(key)}
        after = _without_deleted({**before, **loaded}, present)
        if after != before:
            self._repository.replace(_by_name(after))
            _log_changes(before, after)

    def _entries(self) -> dict[VersionKey, Entry]:
        return _by_key(self._repository.loaded)

    def _is_present(self, key: VersionKey) -> bool:
        # A folder that cannot be listed may still hold its versions, so they stay as they are.
        return key in self._last_scan.versions or key[0] in self._last_scan.unreadable


def _can_pass(entry: Entry) -> bool:
    return isinstance(entry, RefusedVersion) and entry.can_pass


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


def _log_unreadable(last: Found, found: Found) -> None:
    for name in found.unreadable.keys() - last.unreadable.keys():
        reason = f"its folder cannot be listed ({found.unreadable[name]}); its versions stay as they are"
        log.warning("unreadable", extra={"model": name, "reason": reason})
    for path in found.ignored.keys() - last.ignored.keys():
        log.warning("ignored", extra={"path": path, "reason": found.ignored[path]})


def _log(level: int, message: str, keys: Iterable[VersionKey]) -> None:
    for name, version in keys:
        log.log(level, message, extra={"model": name, "version": version})
