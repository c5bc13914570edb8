"""The repository follows its folder: what is published there is served, and what is bad there changes nothing.

A version is taken up when its files have rested from one look to the next. It is tried in a process of its own, loaded
and warmed up; then one assignment serves it. Requests under way keep the version that they began with.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Final

from ..model import Model
from ..settings import Settings
from . import repository, scan
from .preflight import PreflightResults, try_out
from .repository import Refused, Repository, Versions
from .scan import Key, Mark

# Two looks pass before a version is taken up, so it is noticed within twice this.
LOOK_SECONDS: Final = 0.5

Entry = Model | Refused
Trial = Callable[[Settings, Sequence[Key]], Awaitable[PreflightResults]]

log = logging.getLogger("diffeo")


class Watch:
    """Looks at one folder again and again.

    Args:
        repository: what is kept like the folder.
        settings: which folder, and how to serve it.
        executor: threads that engines run on.
        loader: the thread that loads.
        taken: the marks of the versions that the repository holds.
        trial: tells what is wrong with a version before it is loaded here.
    """

    def __init__(  # noqa: PLR0913, PLR0917  (what a watch stands on)
        self,
        repository: Repository,
        settings: Settings,
        executor: Executor,
        loader: Executor,
        taken: Mapping[Key, Mark],
        trial: Trial = try_out,
    ) -> None:
        self._repository = repository
        self._settings = settings
        self._executor = executor
        self._loader = loader
        self._taken = dict(taken)
        self._seen = dict(taken)
        self._trial = trial

    async def follow(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except Exception:
                # A disk that fails for a moment must not end the watch; what is served is served on.
                log.exception("the repository could not be followed")

    async def look(self) -> None:
        """One look: take up what has rested, and leave what has gone."""
        seen = await asyncio.to_thread(scan.marks, self._settings.models)
        rested = {key: mark for key, mark in seen.items() if self._taken.get(key) != mark == self._seen.get(key)}
        self._seen = dict(seen)
        held = _entries(self._repository.models)
        loaded = await self._take_up(rested, held)
        self._taken = {key: mark for key, mark in {**self._taken, **rested}.items() if key in seen}
        after = _without_gone({**held, **loaded}, seen)
        if after != held:
            self._repository.replace(_by_name(after))
            _tell("published", after.keys() - held.keys())
            _tell("withdrawn", held.keys() - after.keys())

    async def _take_up(self, rested: Collection[Key], held: Mapping[Key, Entry]) -> dict[Key, Entry]:
        served = {key for key in rested if isinstance(held.get(key), Model)}
        # One that had gone in between is a new one by an old number; what is served of it serves on if that is bad.
        changed = {key for key in served if key in self._taken}
        _tell("a served version has changed on disk and is served as it was", changed, logging.WARNING)
        fresh = sorted(set(rested) - changed)
        loaded = await self._load(fresh) if fresh else {}
        return {key: entry for key, entry in loaded.items() if isinstance(entry, Model) or key not in served}

    async def _load(self, keys: Sequence[Key]) -> dict[Key, Entry]:
        verdicts = await self._trial(self._settings, keys)
        faults = {key: verdict.fault for key, verdict in verdicts.items() if verdict.fault is not None}
        return await asyncio.get_running_loop().run_in_executor(self._loader, self._load_here, keys, faults)

    def _load_here(self, keys: Sequence[Key], faults: Mapping[Key, str]) -> dict[Key, Entry]:
        return {key: repository.load_version(self._settings, key, self._executor, faults) for key in keys}


def _entries(models: Mapping[str, Versions]) -> dict[Key, Entry]:
    return {(name, version): entry for name, found in models.items() for version, entry in found.items()}


def _by_name(entries: Mapping[Key, Entry]) -> dict[str, dict[int, Entry]]:
    models: dict[str, dict[int, Entry]] = {}
    for (name, version), entry in sorted(entries.items(), key=lambda item: item[0]):
        models.setdefault(name, {})[version] = entry
    return models


def _without_gone(entries: Mapping[Key, Entry], seen: Collection[Key]) -> dict[Key, Entry]:
    """What is in the folder, and the newest served version of a model that has no other left."""
    stays = {key: entry for key, entry in entries.items() if key in seen}
    still_served = {name for (name, _), entry in stays.items() if isinstance(entry, Model)}
    served = (key for key, entry in entries.items() if isinstance(entry, Model))
    last = _newest(key for key in served if key[0] not in still_served)
    return {key: entry for key, entry in entries.items() if key in stays or key in last}


def _newest(keys: Iterable[Key]) -> set[Key]:
    newest: dict[str, int] = {}
    for name, version in keys:
        newest[name] = max(version, newest.get(name, version))
    return set(newest.items())


def _tell(what: str, keys: Iterable[Key], level: int = logging.INFO) -> None:
    for name, version in keys:
        log.log(level, what, extra={"model": name, "version": version})
