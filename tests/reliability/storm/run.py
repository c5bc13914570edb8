"""Runs a storm of resets against a server, and looks at what the server holds and does afterwards."""

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.reliability.soak.observed_process import ObservedProcess, Usage, observed_process
from tests.reliability.storm.resets import storm

QUIET_SECONDS: Final = 2.0
TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class StormRun:
    """The figures of a storm.

    Attributes:
        before: usage after a warm-up by a smaller storm.
        after: usage two seconds after the storm.
        busy_share: of one core, in these two seconds; work that nobody waits for would show here.
    """

    resets: int
    before: Usage
    after: Usage
    busy_share: float


def run_storm(warm_up: int, resets: int, seed: int) -> StormRun:
    """A warm-up of so many resets, which fill every bounded cache and free list, then the resets that count."""
    with observed_process() as server:
        asyncio.run(storm("127.0.0.1", server.port, warm_up, seed))
        time.sleep(QUIET_SECONDS)
        before = server.usage(0)
        asyncio.run(storm("127.0.0.1", server.port, resets, seed + 1))
        busy_share = _busy_share(server)
        return StormRun(resets, before, server.usage(resets), busy_share)


def _busy_share(server: ObservedProcess) -> float:
    began = _cpu_seconds(server.pid)
    time.sleep(QUIET_SECONDS)
    return (_cpu_seconds(server.pid) - began) / QUIET_SECONDS


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
