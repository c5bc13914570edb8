"""Executors: compute the blocks of a job in this process, in threads or in processes; all write the same bytes."""

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

from .block import Block, BlockRecord
from .worker import Worker, WorkerSpec

# Computes all the blocks, in any order, and yields the record of each as soon as it is finished.
BlockExecutor = Callable[[WorkerSpec, Sequence[Block]], Iterator[BlockRecord]]

# Blocks submitted to a pool at a time, per worker: one that is computed and one that waits for the worker.
SUBMITTED_PER_WORKER: Final = 2
# Python takes about 3 % of each call of the runtime. With more threads than this they would wait for its lock.
MOST_THREADS: Final = 16


def in_process(spec: WorkerSpec, blocks: Sequence[Block]) -> Iterator[BlockRecord]:
    """Computes one block after another in the calling thread."""
    worker = Worker(spec)
    for block in blocks:
        yield worker.compute_block(block)


def in_threads(count: int) -> BlockExecutor:
    """An executor with this number of threads in this process, which share one model."""

    def execute(spec: WorkerSpec, blocks: Sequence[Block]) -> Iterator[BlockRecord]:
        with ThreadPoolExecutor(count, thread_name_prefix="job") as pool:
            yield from _run_in_pool(pool, Worker(spec).compute_block, blocks, count)

    return execute


def in_processes(count: int) -> BlockExecutor:
    """An executor with this number of processes on this machine, for more cores than the threads of one can use."""

    def execute(spec: WorkerSpec, blocks: Sequence[Block]) -> Iterator[BlockRecord]:
        # If the model cannot be loaded, this raises the error itself; the pool would only report a lost worker.
        Worker(spec)
        # "spawn", because a process in which a runtime has started threads cannot be forked safely.
        with ProcessPoolExecutor(count, get_context("spawn"), initializer=_start_worker, initargs=(spec,)) as pool:
            try:
                yield from _run_in_pool(pool, _compute_block, blocks, count)
            except BrokenProcessPool:
                raise WorkerLost(
                    "the system ended a worker process, perhaps because memory ran out; try fewer --workers"
                ) from None

    return execute


def executor_for(workers: int) -> BlockExecutor:
    """The executor for this number of cores of this machine."""
    if workers == 1:
        return in_process
    return in_threads(workers) if workers <= MOST_THREADS else in_processes(workers)


def _run_in_pool(
    pool: Executor, compute_block: Callable[[Block], BlockRecord], blocks: Sequence[Block], workers: int
) -> Iterator[BlockRecord]:
    waiting = iter(blocks)
    running = {pool.submit(compute_block, block) for block in islice(waiting, SUBMITTED_PER_WORKER * workers)}
    try:
        while running:
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                yield future.result()
                running |= {pool.submit(compute_block, block) for block in islice(waiting, 1)}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


_worker: Worker | None = None


def _start_worker(spec: WorkerSpec) -> None:
    global _worker  # noqa: PLW0603  (a process of a pool can keep an object between calls only in a global)
    # Ctrl-C reaches all processes of the terminal; the main process handles it and stops the pool.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    _worker = Worker(spec)


def _exit_with_parent() -> None:
    # A killed parent cannot stop its pool, and its workers would wait for blocks forever.
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _compute_block(block: Block) -> BlockRecord:
    if _worker is None:
        raise WorkerLost("this process received a block before its worker was started")
    return _worker.compute_block(block)
