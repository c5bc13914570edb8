"""Lets PyTriton's embedded interpreter, an older 3.11, run the standard library of a newer 3.11.

The newer `multiprocessing.resource_tracker` asks its lock how often it is held; the lock of the older interpreter
cannot say. Where the lock can, nothing is touched. It is put into the environment's packages as `sitecustomize`, which
Python imports at start; that interpreter takes no PYTHONPATH.
"""

import threading
from multiprocessing import resource_tracker


class CountingLock:
    """A re-entrant lock that knows its depth; only the thread that holds it changes the count."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._depth = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002  (RLock's own)
        """As RLock."""
        taken = self._lock.acquire(blocking, timeout)
        self._depth += taken
        return taken

    def release(self) -> None:
        """As RLock."""
        self._depth -= 1
        self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _recursion_count(self) -> int:
        return self._depth


if not hasattr(threading.RLock(), "_recursion_count"):
    resource_tracker._resource_tracker._lock = CountingLock()  # noqa: SLF001  (the one place that holds it)
