"""Runs a function in a copy of this process (fork) while this process goes on, and brings its result back."""

import multiprocessing
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Any, TypeVar

import torch

from diffeo.runtime.cores import usable_cores

Result = TypeVar("Result")


def can_fork() -> bool:
    """True where a copy of this process can compute: on Linux, and before CUDA was used."""
    return sys.platform == "linux" and not torch.cuda.is_initialized()  # type: ignore[no-untyped-call]


@contextmanager
def in_background(work: Callable[[], Result]) -> Iterator[Callable[[], Result]]:
    """Begin the work; the function that is given waits for its result, or raises its error.

    Without a second core, or where no copy can be made, the work is done when its result is asked for.

    >>> with in_background(lambda: 2 + 2) as result:
    ...     other = 1
    >>> result() + other
    5
    """
    if usable_cores() == 1 or not can_fork():
        yield work
        return
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = forked(_work, work, theirs)
    theirs.close()
    try:
        yield lambda: _received(ours, process)
    except BaseException:
        process.kill()
        raise


def forked(target: Callable[..., None], *arguments: object) -> ForkProcess:
    """A started copy of this process that calls the function and ends."""
    process = ForkProcess(target=target, args=arguments, daemon=True)
    with warnings.catch_warnings():
        # Python warns of forks beside threads. The copy uses no thread and no lock of this process.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    return process


def _work(work: Callable[[], Result], pipe: Connection) -> None:
    # The threads of the parent's OpenMP do not exist in a copy of it.
    torch.set_num_threads(1)
    try:
        pipe.send((work(), None))
    except BaseException as error:  # noqa: BLE001  (the parent raises it)
        pipe.send((None, error))


def _received(pipe: Connection, process: ForkProcess) -> Any:  # noqa: ANN401  (the pipe has no type)
    try:
        result, error = pipe.recv()
    except EOFError:
        process.join()
        raise RuntimeError(f"a process that computed a part of this work ended with code {process.exitcode}") from None
    process.join()
    if error is not None:
        raise error
    return result
