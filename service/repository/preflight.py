"""Preflight: loads each version in a separate process first, because a bad graph can kill the process that loads it.

Each version has a budget of its own. A few processes check one version after the other; a version that takes long
leaves its turn to the next one. A failure that is no fault of the version is tried again.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from diffeo.runtime.cores import usable_cores

from ..settings import Settings
from . import scan
from .preflight_process import Crashed, Killed, NotStarted, PreflightProcess, ProcessError, Report, TimedOut
from .result import NO_RESULTS, PreflightResult, PreflightResults
from .scan import VersionKey

# A good version loads in seconds. Its processor time is limited too, so only a version that waits takes this long.
TIME_LIMIT_SECONDS: Final = 120.0
# A version that has taken this long no longer counts among those that are checked at the same time.
SLOW_SECONDS: Final = 2.0
# Most processes, those of slow versions included.
MAX_PROCESSES: Final = 16
# The memory that a process keeps of the versions that it has loaded ends with it.
VERSIONS_PER_PROCESS: Final = 100
# The graphs of a version may crash because of what an earlier version left in the process, so a crash counts if it
# happens in two processes.
CRASHES: Final = 2
# The waits before a failure that is no fault of the version is tried again.
BACKOFF_SECONDS: Final = (0.25, 0.5, 1.0)
POLL_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a start waits for a slow version if another version is good; then it loads while the service runs.

    Attributes:
        processor_seconds: of the version. A busy machine makes no good version take more.
        seconds: since its check began.
    """

    processor_seconds: float
    seconds: float


PATIENCE: Final = Patience(10.0, 60.0)
UNENDING: Final = Patience(math.inf, math.inf)


class Preflight:
    """Checks versions with a few processes, which end when nothing is left to check.

    Args:
        settings: the repository folder, and how the versions will be served.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._turns = asyncio.Semaphore(usable_cores())
        self._processes = asyncio.Semaphore(MAX_PROCESSES)
        self._idle: list[PreflightProcess] = []
        self._wanted = 0
        self._began: dict[VersionKey, float] = {}
        self._running: dict[VersionKey, PreflightProcess] = {}

    async def check(self, key: VersionKey) -> PreflightResult:
        """Check one version. It raises nothing: every failure is a reason to refuse the version."""
        fingerprint = scan.fingerprint(self._settings.models, key)
        self._wanted += 1
        try:
            report = await self._report(key)
        finally:
            self._wanted -= 1
            self._began.pop(key, None)
            if not self._wanted:
                await self._stop_idle()
        return PreflightResult(fingerprint, report.reason, report.can_pass, report.proof)

    def waits_only_for(self, keys: Iterable[VersionKey], patience: Patience) -> bool:
        """True if each of these versions takes longer than that, or waits for a process while all that run are slow."""
        begun = [key for key in keys if key in self._began]
        return bool(begun) and all(self._is_slow(key, patience) for key in begun)

    def _is_slow(self, key: VersionKey, patience: Patience) -> bool:
        if time.monotonic() - self._began.get(key, math.inf) > patience.seconds:
            return True
        process = self._running.get(key)
        return process is not None and process.used_seconds > patience.processor_seconds

    async def _report(self, key: VersionKey) -> Report:
        crashes, waits = 0, list(BACKOFF_SECONDS)
        while True:
            try:
                return await self._try(key)
            except Crashed as error:
                crashes += 1
                if crashes == CRASHES:
                    return Report(str(error), can_pass=False, proof=None)
            except (Killed, NotStarted) as error:
                if not waits:
                    return Report(str(error), can_pass=True, proof=None)
                await asyncio.sleep(waits.pop(0))
            except ProcessError as error:
                return Report(str(error), isinstance(error, TimedOut), proof=None)

    async def _try(self, key: VersionKey) -> Report:
        async with self._processes, self._turn(key):
            process = self._idle.pop() if self._idle else await PreflightProcess.start(self._settings)
            self._running[key] = process
            try:
                report = await process.check(key, TIME_LIMIT_SECONDS)
            finally:
                del self._running[key]
            if process.checked < VERSIONS_PER_PROCESS:
                self._idle.append(process)
            else:
                await process.stop()
            return report

    @contextlib.asynccontextmanager
    async def _turn(self, key: VersionKey) -> AsyncIterator[None]:
        """Wait for a turn; after SLOW_SECONDS the next version has it."""
        await self._turns.acquire()
        self._began.setdefault(key, time.monotonic())
        release = asyncio.get_running_loop().call_later(SLOW_SECONDS, self._turns.release)
        try:
            yield
        finally:
            if not release.cancelled() and release.when() > asyncio.get_running_loop().time():
                release.cancel()
                self._turns.release()

    async def _stop_idle(self) -> None:
        while self._idle:
            await self._idle.pop().stop()


async def check(
    settings: Settings,
    keys: Sequence[VersionKey],
    known: PreflightResults = NO_RESULTS,
    patience: Patience = UNENDING,
) -> PreflightResults:
    """Check versions of the repository folder.

    Args:
        settings: how the versions will be served.
        keys: the versions.
        known: earlier results; a version whose files are unchanged is not checked again.
        patience: how long to wait for slow versions, if a version is good and only slow ones are left.
    """
    now = {key: scan.fingerprint(settings.models, key) for key in keys if key in known}
    results = {key: known[key] for key, fingerprint in now.items() if known[key].fingerprint == fingerprint}
    checks = Preflight(settings)
    left = {asyncio.create_task(checks.check(key)): key for key in keys if key not in results}
    while left:
        done, _ = await asyncio.wait(left, timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        results |= {left.pop(task): task.result() for task in done}
        if any(result.reason is None for result in results.values()) and checks.waits_only_for(left.values(), patience):
            break
    for task, key in left.items():
        task.cancel()
        fingerprint = scan.fingerprint(settings.models, key)
        results[key] = PreflightResult(fingerprint, "its check has not ended", can_pass=True, is_loading=True)
    await asyncio.gather(*left, return_exceptions=True)
    return {key: results[key] for key in keys}
