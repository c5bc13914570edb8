"""The pauses of connections after a rejection for overload.

A client that sends again at once would take the processor from the requests that are accepted. One timer serves all
connections: a timer of its own, and an end of reading, would cost each of them as much as the rejection itself.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Final

# Pauses that end within this time end together.
STEP_SECONDS: Final = 0.002


class RejectionPauses:
    """The connections of one process that pause.

    Args:
        seconds: duration of each pause.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends: deque[tuple[float, Callable[[], None]]] = deque()
        self._is_timed = False

    def add(self, end: Callable[[], None]) -> None:
        """Begin a pause; `end` is called when it is over."""
        self._ends.append((monotonic() + self._seconds, end))
        if not self._is_timed:
            self._set_timer()

    def _set_timer(self) -> None:
        self._is_timed = True
        asyncio.get_running_loop().call_later(min(self._seconds, STEP_SECONDS), self._end_some)

    def _end_some(self) -> None:
        now = monotonic()
        while self._ends and self._ends[0][0] <= now:
            _, end = self._ends.popleft()
            end()
        self._is_timed = False
        if self._ends:
            self._set_timer()
