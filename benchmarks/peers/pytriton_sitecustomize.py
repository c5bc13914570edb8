"""Makes PyTriton's embedded Python 3.11 work with the standard library of a newer 3.11.

The newer `multiprocessing.resource_tracker` calls `_recursion_count` of its lock, which the older interpreter does not
have. This file replaces that lock, unless it has the method. It is installed in PyTriton's environment under the name
`sitecustomize`, which Python imports at start, because the embedded interpreter ignores PYTHONPATH.
"""

import threading
from multiprocessing import resource_tracker


class CountingLock:
    """A re-entrant lock with a recursion count. Only the thread that holds the lock changes the count."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._depth = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002  (RLock's own)
        """Acquires the lock as RLock does."""
        acquired = self._lock.acquire(blocking, timeout)
        self._depth += acquired
        return acquired

    def release(self) -> None:
        """Releases the lock as RLock does."""
        self._depth -= 1
        self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _recursion_count(self) -> int:
        return self._depth


if not hasattr(threading.RLock(), "_recursion_count"):
    # The standard library offers no public access to this lock, and its stubs do not name it.
    resource_tracker._resource_tracker._lock = CountingLock()  # type: ignore[attr-defined]  # noqa: SLF001
