"""Runs trials in parallel processes, one thread each: two small fits in parallel are faster than one on two threads."""

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

import torch
from tqdm import tqdm

from ..errors import StudyError
from . import store, trial
from .trial import Trial


def run_all(trials: Sequence[Trial], cache: Path, data: Path | None, workers: int) -> None:
    """Runs every trial that is not in the cache, and stores each outcome as soon as the trial ends.

    Raises:
        TrainingError: a trial failed, or its process was killed; earlier outcomes stay in the cache.
    """
    missing = [one for one in trials if not store.has(cache, one.digest)]
    total = round(sum(one.cost for one in missing))
    with tqdm(total=total, desc=f"study, {len(missing)} of {len(trials)} trials", unit="s of one core") as bar:
        if not missing:
            return
        with _pool(min(workers, len(missing))) as pool:
            running: dict[Future[None], Trial] = {
                pool.submit(_run, one, one.digest, cache, data): one for one in missing
            }
            for done in as_completed(running):
                _raise_failure(done)
                bar.update(round(running[done].cost))


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


@contextmanager
def single_threaded() -> Iterator[None]:
    """Limits torch to one thread, because probes measure seconds of one core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    # The libraries of NumPy and torch read OMP_NUM_THREADS once at start. Spawn, because a fork copies running threads.
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def _start_worker() -> None:
    # Ctrl-C reaches every process of the terminal. A worker ends silently; the main process prints what to do.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    torch.set_num_threads(1)


def _raise_failure(done: Future[None]) -> None:
    try:
        done.result()
    except BrokenProcessPool as error:
        raise StudyError(
            "a worker process was killed, probably because the machine ran out of memory; run the same command again"
        ) from error


def _run(one: Trial, digest: str, cache: Path, data: Path | None) -> None:
    # The digest of the code at the start of the study: the files may change while it runs.
    store.save(cache, digest, trial.run(one, data))
