"""Requests whose heads are read but whose handlers have not started: the queue of the event loop itself.

In each turn, the event loop first reads all connections that have data, then runs the handlers of the requests that it
read; it sends most of their answers in the next turn. So the time of a turn decides how long a request waits. If more
requests arrive in one turn than a third of the longest wait can answer, the rest is rejected.
"""

from collections.abc import Callable
from time import thread_time
from typing import Final

# A request waits for the end of the turn in which it arrives, for its own, and for the next one.
TURN_SHARE: Final = 1 / 3
# The time of a request, until it is measured; and the longest that is believed. No small request takes longer: if the
# event loop needs more, the delay comes from something else, such as a busy machine.
USUAL_SECONDS: Final = 0.0001
LONGEST_SECONDS: Final = 0.0005
# A turn with fewer requests also waits for work.
MEASURED: Final = 32
MEMORY: Final = 0.9


class Starts:
    """The requests of one process that wait for the start of their handlers.

    Args:
        max_wait_seconds: the longest wait of a request.
        clock: monotonic time in seconds.

    Attributes:
        waiting: number of these requests.
    """

    __slots__ = ("_began", "_clock", "_few", "_most", "_number", "_request_seconds", "_turn_seconds", "waiting")

    def __init__(self, max_wait_seconds: float, clock: Callable[[], float] = thread_time) -> None:
        self.waiting = 0
        self._clock = clock
        self._few = int(max_wait_seconds / LONGEST_SECONDS)
        self._turn_seconds = max_wait_seconds * TURN_SHARE
        self._request_seconds = USUAL_SECONDS
        self._most = max(self._few, int(self._turn_seconds / USUAL_SECONDS))
        # The turn that runs: when it began, and the number of its requests.
        self._began = 0.0
        self._number = 0

    def add(self) -> None:
        """A handler will start in this turn of the event loop."""
        if not self.waiting:
            self._begin_turn(self._clock())
        self.waiting += 1
        self._number += 1

    def _begin_turn(self, now: float) -> None:
        if self._number >= MEASURED:
            seconds = min(LONGEST_SECONDS, (now - self._began) / self._number)
            self._request_seconds = MEMORY * self._request_seconds + (1 - MEMORY) * seconds
            self._most = max(self._few, int(self._turn_seconds / self._request_seconds))
        self._began = now
        self._number = 0

    def began(self) -> None:
        """A handler has started."""
        self.waiting -= 1

    def room(self) -> int:
        """How many requests more may start in this turn, if requests of other connections get an equal share."""
        return max(1, self._most // 2) - self.waiting

    def are_late(self) -> bool:
        """True if one more request would wait too long."""
        return self.waiting > self._most
