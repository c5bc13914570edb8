"""Measures how many threads a step of the fit should use, because the best number depends on flow, machine and load.

A small step on two threads waits at every operator until the slower thread is done. On a machine that other processes
use, one thread was 6 to 55 times faster for such steps; for wide flows on an idle machine two are almost twice as fast.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Final

import torch

from diffeo.runtime.cores import usable_cores

Clock = Callable[[], float]  # seconds, as time.perf_counter

WARM_UP_STEPS: Final = 2
BLOCK_STEPS: Final = 4  # a block is long enough to hold the rare step that waits long for another thread
LONG_STEP: Final = 0.1  # seconds
ROUNDS: Final = 4
SECONDS: Final = 1.5  # of all measurements together
WORTH_IT: Final = 0.9  # more threads must shorten a step to this share, because they also take time from others


@dataclass(frozen=True, slots=True)
class ThreadChoice:
    """The chosen number of threads and the median seconds of a step with each measured number.

    >>> str(ThreadChoice(1, {1: 0.004, 2: 0.006}))
    'threads: 1 (250 steps/s with 1, 167 with 2)'
    """

    threads: int
    seconds: dict[int, float]

    def __str__(self) -> str:
        """One line for the terminal."""
        rates = [(count, f"{1 / seconds:.0f}") for count, seconds in self.seconds.items()]
        if not rates:
            return f"threads: {self.threads}"
        first, *others = rates
        measured = [f"{first[1]} steps/s with {first[0]}", *(f"{rate} with {count}" for count, rate in others)]
        return f"threads: {self.threads} ({', '.join(measured)})"

    @property
    def step_seconds(self) -> float:
        """Seconds of a step with the chosen number."""
        return self.seconds[self.threads]


def candidates() -> tuple[int, ...]:
    """The numbers worth a measurement: 1, 2, 4, ... and all cores; never more than torch uses now (OMP_NUM_THREADS)."""
    most = min(usable_cores(), torch.get_num_threads())
    counts = {1 << power for power in range(most.bit_length()) if 1 << power < most}
    return tuple(sorted(counts | {most}))


def choose_threads(step: Callable[[], object], counts: Sequence[int], clock: Clock = time.perf_counter) -> ThreadChoice:
    """Measure the step with each number of threads, in turns, and choose.

    The numbers take turns, so that a load that comes or goes meets all of them. Each has the median over its blocks.

    Args:
        step: one step of the fit, on weights that are thrown away.
        counts: the numbers, ascending.
        clock: the time.

    Returns:
        The smallest number that no larger number beats by a tenth.
    """
    blocks: dict[int, list[float]] = {count: [] for count in counts}
    deadline = clock() + SECONDS
    before = torch.get_num_threads()
    try:
        for round_number in range(ROUNDS):
            for count in counts:
                if round_number == 0 or clock() < deadline:
                    blocks[count].append(_block(step, count, clock, first=round_number == 0))
    finally:
        torch.set_num_threads(before)
    seconds = {count: median(times) for count, times in blocks.items()}
    chosen = counts[0]
    for count in counts[1:]:
        if seconds[count] < WORTH_IT * seconds[chosen]:
            chosen = count
    return ThreadChoice(chosen, seconds)


def _block(step: Callable[[], object], threads: int, clock: Clock, *, first: bool) -> float:
    """Seconds of a step, the mean of a block; a step that takes long is a block by itself."""
    torch.set_num_threads(threads)
    # The first steps with a number of threads start these threads and allocate memory.
    for _ in range(WARM_UP_STEPS if first else 1):
        started = clock()
        step()
        if (long := clock() - started) > LONG_STEP:
            return long
    started = clock()
    for _ in range(BLOCK_STEPS):
        step()
    return (clock() - started) / BLOCK_STEPS


@contextmanager
def thread_count(threads: int) -> Iterator[None]:
    """Use so many threads inside the block, and as many as before after it: the number belongs to the whole process.

    >>> before = torch.get_num_threads()
    >>> with thread_count(1):
    ...     torch.get_num_threads()
    1
    >>> torch.get_num_threads() == before
    True
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
