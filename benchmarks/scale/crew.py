"""A bulk job in the model: workers take blocks from one list, all of them over one wire to the storage.

A worker reads its block over the wire, which serves one at a time in the order of asking, then computes; what it
writes is counted with what it reads. Computing takes a time of its own each time.
"""

import heapq
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.scale.costs import Bulk
from benchmarks.scale.formulas import bulk_core_rate

SPREAD: Final = 0.1  # standard deviation of a block's time, of its mean


@dataclass(frozen=True, slots=True)
class Job:
    """What became of a job.

    Attributes:
        ends: when each block was done, ascending, seconds.
    """

    ends: np.ndarray
    block_rows: int

    @property
    def rate(self) -> float:
        """Rows/s between the first and the last eighth of the blocks: without start and stragglers."""
        first, last = len(self.ends) // 8, len(self.ends) * 7 // 8
        return float((last - first) * self.block_rows / (self.ends[last] - self.ends[first]))


@dataclass(frozen=True, slots=True)
class Crew:
    """Who works.

    Attributes:
        workers: cores.
        row_seconds: of the graph.
        bytes_per_second: of the wire that they share.
    """

    bulk: Bulk
    workers: int
    row_seconds: float
    bytes_per_second: float


def work(crew: Crew, blocks: int, seed: int) -> Job:
    """Run a job of so many blocks."""
    bulk = crew.bulk
    mean = bulk.block_rows / bulk_core_rate(bulk, crew.row_seconds)
    times = np.random.default_rng(seed).gamma(SPREAD**-2, mean * SPREAD**2, size=blocks).tolist()
    wire = bulk.block_rows * bulk.row_bytes / crew.bytes_per_second
    free, ends = 0.0, []
    asking = [0.0] * crew.workers
    for seconds in times:
        asked = heapq.heappop(asking)
        free = max(asked, free) + wire
        ends.append(free + seconds)
        heapq.heappush(asking, free + seconds)
    return Job(np.sort(np.array(ends)), bulk.block_rows)
