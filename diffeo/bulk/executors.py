"""Who computes the blocks of a job: threads of this process, other processes, or Ray's. All give the same bytes."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context, parent_process
from typing import Final

from diffeo.errors import WorkerLost

from .block import Block, Record
from .worker import Work, Worker

Crew = Callable[[Work, Sequence[Block]], Iterator[Record]]

# Blocks that are given out at a time, for each worker: one in hand and one to go on with.
AHEAD: Final = 2
# Of a call of the runtime some three hundredths are Python's; beyond so many threads they would wait for each other.
THREADS: Final = 16


def alone(work: Work, blocks: Sequence[Block]) -> Iterator[Record]:
    """In this process, one after the other."""
    worker = Worker(work)
    for block in blocks:
        yield worker.do(block)


def threads(count: int) -> Crew:
    """In so many threads of this process, which read, compute and write beside each other."""

    def crew(work: Work, blocks: Sequence[Block]) -> Iterator[Record]:
        with ThreadPoolExecutor(count, thread_name_prefix="job") as pool:
            yield from _spread(pool, Worker(work).do, blocks, count)

    return crew


def processes(count: int) -> Crew:
    """In so many processes of this machine: for more cores than the interpreter of one can serve."""

    def crew(work: Work, blocks: Sequence[Block]) -> Iterator[Record]:
        # What cannot be loaded is told here in its own words; a pool only says that a worker ended.
        Worker(work)
        # Spawned: a runtime that has started threads cannot be forked.
        with ProcessPoolExecutor(count, get_context("spawn"), initializer=_begin, initargs=(work,)) as pool:
            try:
                yield from _spread(pool, _do, blocks, count)
            except BrokenProcessPool:
                raise WorkerLost("the system ended a worker, perhaps for want of memory; try fewer --workers") from None

    return crew


def crew_of(workers: int) -> Crew:
    """The crew for so many cores."""
    if workers == 1:
        return alone
    return threads(workers) if workers <= THREADS else processes(workers)


def _spread(pool: Executor, do: Callable[[Block], Record], blocks: Sequence[Block], count: int) -> Iterator[Record]:
    left = iter(blocks)
    running = {pool.submit(do, block) for block in islice(left, AHEAD * count)}
    try:
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
                running |= {pool.submit(do, block) for block in islice(left, 1)}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


_worker: Worker | None = None


def _begin(work: Work) -> None:
    global _worker  # noqa: PLW0603  (what a process of a pool keeps between its tasks has no other place)
    # Ctrl-C reaches the whole group of processes; the first one decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()
    _worker = Worker(work)


def _follow_parent() -> None:
    # A parent that was killed cannot tell its workers; without it they would wait for ever.
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _do(block: Block) -> Record:
    if _worker is None:
        raise WorkerLost("a block came before its job")
    return _worker.do(block)
