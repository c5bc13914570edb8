"""Who computes the blocks of a job: this process, processes of this machine, or Ray's. All give the same bytes."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context, parent_process
from typing import Final

from diffeo.bulk.block import Block, Record
from diffeo.bulk.work import Work, Worker
from diffeo.errors import WorkerLost

Crew = Callable[[Work, Sequence[Block]], Iterator[Record]]

# Blocks that are given out at a time, for each worker: one in hand and one to go on with.
AHEAD: Final = 2


def alone(work: Work, blocks: Sequence[Block]) -> Iterator[Record]:
    """In this process, one after the other."""
    worker = Worker(work)
    for block in blocks:
        yield worker.do(block)


def processes(count: int) -> Crew:
    """In so many processes of this machine, each with a core's work at a time."""

    def crew(work: Work, blocks: Sequence[Block]) -> Iterator[Record]:
        if len(blocks) == 1:
            yield from alone(work, blocks)
            return
        # What cannot be loaded is told here in its own words; a pool only says that a worker ended.
        Worker(work)
        # Spawned: a runtime that has started threads cannot be forked.
        pool = ProcessPoolExecutor(min(count, len(blocks)), get_context("spawn"), initializer=_begin, initargs=(work,))
        left = iter(blocks)
        running: set[Future[Record]] = set()
        try:
            for block in islice(left, AHEAD * count):
                running.add(pool.submit(_do, block))
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
                    for block in islice(left, 1):
                        running.add(pool.submit(_do, block))
        except BrokenProcessPool:
            raise WorkerLost(
                "a worker was ended by the system, perhaps for want of memory; try fewer --workers"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    return crew


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
