"""Runs the soak: a server, the load, a new version of a model every few seconds, and what the process holds."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from tests.given.flows import affine
from tests.reliability.soak.load import Load
from tests.reliability.soak.observed_process import ObservedProcess, Usage, observed_process
from tests.reliability.soak.questions import MOVING

# The first part of a run fills caches and free lists; growth counts from its end.
WARM_UP_SHARE: Final = 0.3


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the soak is, and the seconds between two versions and between two looks at the process.

    Attributes:
        seconds: it lasts so long at least.
        least_requests: it lasts longer on a busy machine, until so many are sent.
    """

    seconds: float
    swap_seconds: float
    look_seconds: float
    least_requests: int = 0


@dataclass(frozen=True, slots=True)
class Soak:
    """A finished soak: the load, what the process held after the warm-up, and the number of swaps."""

    load: Load
    usages: list[Usage]
    swaps: int

    def growth(self, measure: Callable[[Usage], int]) -> float:
        """By how much a measure grows with each request, after the warm-up: the slope of a line through all looks."""
        requests = [usage.requests for usage in self.usages]
        return float(np.polyfit(requests, [measure(usage) for usage in self.usages], 1)[0])

    def slowdown(self) -> float:
        """The p99 of one row in the last tenth of the run, divided by that in the first tenth."""
        seconds = self.load.seconds
        tenth = max(1, len(seconds) // 10)
        return float(np.quantile(seconds[-tenth:], 0.99) / np.quantile(seconds[:tenth], 0.99))


def soak(pace: Pace, seed: int, leak_bytes: int = 0) -> Soak:
    """Run one soak.

    Args:
        pace: its durations.
        seed: of the order of the requests, the malformed ones and the disconnects.
        leak_bytes: what the server leaves behind at every request; 0 for the service as it is.
    """
    with observed_process(leak_bytes) as server:
        return asyncio.run(_run(server, pace, seed))


async def _run(server: ObservedProcess, pace: Pace, seed: int) -> Soak:
    load = Load()
    swapping = asyncio.create_task(_swap(server.models, pace.swap_seconds))
    loading = asyncio.create_task(load.run("127.0.0.1", server.port, pace.seconds, pace.least_requests, seed))
    usages = await _look(server, load, pace, loading)
    await loading
    swapping.cancel()
    await asyncio.gather(swapping, return_exceptions=True)
    newest = max(int(path.name) for path in (server.models / MOVING).iterdir() if path.name.isdigit())
    return Soak(load, usages, newest - 1)


async def _swap(models: Path, seconds: float) -> None:
    version = 1
    while True:
        await asyncio.sleep(seconds)
        version += 1
        await asyncio.to_thread(_publish, models, version)


def _publish(models: Path, version: int) -> None:
    # The third newest goes: no request can still be on its way to it.
    made = affine.shifted(models.parent / f"{models.name}-made", float(version))
    made.rename(models / MOVING / str(version))
    old = models / MOVING / str(version - 2)
    if old.exists():
        for file in old.iterdir():
            file.unlink()
        old.rmdir()


async def _look(server: ObservedProcess, load: Load, pace: Pace, loading: asyncio.Task[None]) -> list[Usage]:
    found: list[Usage] = []
    warm = time.monotonic() + WARM_UP_SHARE * pace.seconds
    while not loading.done():
        if time.monotonic() > warm and load.requests > WARM_UP_SHARE * pace.least_requests:
            found.append(await asyncio.to_thread(server.usage, load.requests))
        await asyncio.sleep(pace.look_seconds)
    return found
