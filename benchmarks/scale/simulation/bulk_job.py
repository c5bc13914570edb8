"""Simulates a job over files: workers take blocks from one list and share one network link to the storage.

A worker reads its block over the link, which serves one worker at a time in the order of their requests, and then
computes. The bytes that a worker writes are counted with those that it reads. The computing time of a block is random.
"""

import heapq
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.scale.costs.costs import BulkCosts
from benchmarks.scale.formulas.formulas import bulk_core_rate
from benchmarks.scale.simulation.traffic import Times

SPREAD: Final = 0.1  # standard deviation of a block's computing time, relative to its mean


@dataclass(frozen=True, slots=True)
class BulkJob:
    """The workers of a job.

    Attributes:
        workers: number of cores.
        row_seconds: arithmetic of one row.
        bytes_per_second: rate of the link that they share.
    """

    costs: BulkCosts
    workers: int
    row_seconds: float
    bytes_per_second: float


@dataclass(frozen=True, slots=True)
class BulkOutcome:
    """A simulated job.

    Attributes:
        ends: time at which each block was done, ascending, seconds.
    """

    ends: Times
    block_rows: int

    @property
    def rate(self) -> float:
        """Rows/s without the first and the last eighth of the blocks, that is without start and stragglers."""
        first, last = len(self.ends) // 8, len(self.ends) * 7 // 8
        return float((last - first) * self.block_rows / (self.ends[last] - self.ends[first]))


def simulate_job(job: BulkJob, blocks: int, seed: int) -> BulkOutcome:
    """Runs a job with this number of blocks."""
    costs = job.costs
    mean = costs.block_rows / bulk_core_rate(costs, job.row_seconds)
    computing = np.random.default_rng(seed).gamma(SPREAD**-2, mean * SPREAD**2, size=blocks).tolist()
    transfer = costs.block_rows * costs.row_bytes / job.bytes_per_second
    link_free, ends = 0.0, []
    idle_workers = [0.0] * job.workers  # a heap of the times at which workers become idle
    for seconds in computing:
        idle_since = heapq.heappop(idle_workers)
        link_free = max(idle_since, link_free) + transfer
        ends.append(link_free + seconds)
        heapq.heappush(idle_workers, link_free + seconds)
    return BulkOutcome(np.sort(np.array(ends)), costs.block_rows)
