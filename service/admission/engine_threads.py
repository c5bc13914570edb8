"""The threads of the engine calls of one process, with the work that is ahead of them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from .work_ahead import WorkAhead


class EngineThreads(ThreadPoolExecutor):
    """Threads that all batchers of a process share.

    Args:
        count: number of threads.
        work: the work of all batchers.
        initializer: called in each new thread.

    Attributes:
        work: the work of all batchers.
    """

    def __init__(self, count: int, work: WorkAhead, initializer: Callable[[], None]) -> None:
        super().__init__(count, thread_name_prefix="engine", initializer=initializer)
        self.work = work
