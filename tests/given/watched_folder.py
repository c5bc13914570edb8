"""A repository folder of the affine flow that a watcher follows, scan by scan."""

import asyncio
from concurrent.futures import Executor
from pathlib import Path
from typing import Final

from diffeo.service.repository import repository, scan
from diffeo.service.repository.repository import RefusedVersion, Repository
from diffeo.service.repository.result import PreflightResult
from diffeo.service.repository.scan import VersionKey
from diffeo.service.repository.watch import RepositoryWatcher
from diffeo.service.requests import ModelSelector
from diffeo.service.settings import Settings
from tests.given.flows import affine

NEWEST: Final = ModelSelector("affine2d", None)


class WatchedFolder:
    """The folder, its repository and its watcher; `scan` replaces the timer of the watcher.

    Args:
        models: an empty folder; it gets version 1 of the affine flow.
        executor: threads for engine calls and for loading.

    Attributes:
        checked: the versions whose preflight has run, in its order.
        refusals: the reason of each version that its preflight refuses.
        can_pass: whether these reasons can pass.
        errors: by version, what its preflight raises.
        gate: the preflight of a model named "slow" waits for it.
    """

    def __init__(self, models: Path, executor: Executor) -> None:
        affine.copy_to(models)
        self.models = models
        self.settings = Settings(models=models)
        fingerprints = scan.fingerprints(models)
        self.repository: Repository = repository.load(self.settings, executor)
        self.checked: list[VersionKey] = []
        self.refusals: dict[VersionKey, str] = {}
        self.errors: dict[VersionKey, Exception] = {}
        self.can_pass = False
        self.gate = asyncio.Event()
        self.watcher = RepositoryWatcher(self.repository, self.settings, executor, executor, fingerprints, self.check)

    async def check(self, key: VersionKey) -> PreflightResult:
        """The preflight of a version, without a process."""
        self.checked.append(key)
        if key in self.errors:
            raise self.errors[key]
        if key[0] == "slow":
            await self.gate.wait()
        return PreflightResult((), self.refusals.get(key), self.can_pass)

    def scan(self, times: int = 2) -> None:
        """Scan as often as it takes to load a new version."""
        asyncio.run(self.scan_and_settle(times))

    async def scan_and_settle(self, times: int = 2) -> None:
        """Scan, and wait until the versions that each scan found are served or refused."""
        for _ in range(times):
            await self.watcher.scan()
            await self.watcher.settle()

    @property
    def newest(self) -> int:
        """The number of the version that a request without a version gets."""
        return self.repository.find(NEWEST).version

    def reason(self, version: int) -> str:
        """Why this version is refused."""
        entry = self.repository.entry("affine2d", version)
        assert isinstance(entry, RefusedVersion)
        return entry.reason
