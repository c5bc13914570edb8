"""Trials on all cores, one thread each: two narrow fits side by side are faster than one fit on two threads."""

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
    """Run every trial that is not in the cache; each is kept as soon as it ends.

    Raises:
        TrainingError: a trial cannot be run, or its process was killed; those that ended before are kept.
    """
    missing = [one for one in trials if not store.has(cache, one.digest)]
    total = round(sum(one.cost for one in missing))
    with tqdm(total=total, desc=f"study, {len(missing)} of {len(trials)} trials", unit="s of one core") as bar:
        if not missing:
            return
        with _pool(min(workers, len(missing))) as pool:
            waiting: dict[Future[None], Trial] = {
                pool.submit(_run, one, one.digest, cache, data): one for one in missing
            }
            for done in as_completed(waiting):
                _result(done)
                bar.update(round(waiting[done].cost))


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


@contextmanager
def single_threaded() -> Iterator[None]:
    """Probes measure seconds of one core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    # NumPy's and torch's libraries read this once, as a worker starts; a fork would copy running threads.
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def _begin() -> None:
    # Ctrl-C reaches every process of the terminal: a worker just ends, and the study's own process says what to do.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    torch.set_num_threads(1)


def _result(done: Future[None]) -> None:
    try:
        done.result()
    except BrokenProcessPool as error:
        raise StudyError(
            "a worker was killed, as a machine short of memory does; run the same command again"
        ) from error


def _run(one: Trial, digest: str, cache: Path, data: Path | None) -> None:
    # The digest of the code that this study began with, not of what stands in the files an hour later.
    store.save(cache, digest, trial.run(one, data))
