"""Requests whose heads are read but whose handlers have not started: the queue of the event loop itself.

In each turn, the event loop first reads all connections that have data, then runs the handlers of the requests that it
read. Reading takes about a quarter of the time of a small request. If reading alone takes too long, the requests that
are read last in this turn would wait too long, and are rejected there.
"""

from collections.abc import Callable
from time import monotonic
from typing import Final

# The share of the longest wait that reading may take: the handlers of what was read take about the rest.
READING_SHARE: Final = 0.25
# No small request takes longer. If only few wait, the delay comes from something else, such as a busy machine, and they
# are still answered in time.
LONGEST_HANDLER_SECONDS: Final = 0.0005


class Starts:
    """The requests of one process that wait for the start of their handlers.

    Args:
        max_wait_seconds: the longest wait of a request.
        clock: monotonic time in seconds.

    Attributes:
        waiting: number of these requests.
    """

    __slots__ = ("_clock", "_few", "_oldest", "_seconds", "waiting")

    def __init__(self, max_wait_seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self.waiting = 0
        self._oldest = 0.0
        self._seconds = max_wait_seconds * READING_SHARE
        self._few = int(max_wait_seconds / LONGEST_HANDLER_SECONDS)
        self._clock = clock

    def add(self) -> None:
        """A handler will start in this turn of the event loop."""
        if not self.waiting:
            self._oldest = self._clock()
        self.waiting += 1

    def began(self) -> None:
        """A handler has started."""
        self.waiting -= 1

    def are_late(self) -> bool:
        """True if they are many, and the oldest of them waits for so long that one more would wait too long."""
        return self.waiting > self._few and self._clock() - self._oldest > self._seconds
