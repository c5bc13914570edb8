"""The pauses of connections after a rejection for overload.

A client that sends again at once would take the processor from the requests that are accepted. So its next request
waits until the service has room for it, or until the client should have sent it at all: the rejection said when. One
timer serves all connections: a timer of its own, and an end of reading, would cost each of them as much as the
rejection itself.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

# Pauses that end within this time end together.
STEP_SECONDS: Final = 0.002
# The Retry-After of the rejections. After it, a request that still finds no room is rejected again.
LONGEST_SECONDS: Final = 1.0


class RejectionPauses:
    """The connections of one process that pause.

    Args:
        seconds: shortest duration of a pause.
        room: how many requests the service could start now.
    """

    def __init__(self, seconds: float, room: Callable[[], int]) -> None:
        self._seconds = seconds
        self._room = room
        self._ends: deque[tuple[float, Callable[[], None]]] = deque()
        self._is_timed = False

    def add(self, end: Callable[[], None]) -> None:
        """Begin a pause; `end` is called when it is over."""
        self._ends.append((asyncio.get_running_loop().time() + self._seconds, end))
        if not self._is_timed:
            self._set_timer()

    def _set_timer(self) -> None:
        self._is_timed = True
        asyncio.get_running_loop().call_later(min(self._seconds, STEP_SECONDS), self._end_some)

    def _end_some(self) -> None:
        now, room = asyncio.get_running_loop().time(), self._room()
        while self._ends and (due := self._ends[0][0]) <= now and (room > 0 or due + LONGEST_SECONDS <= now):
            _, end = self._ends.popleft()
            end()
            room -= 1
        self._is_timed = False
        if self._ends:
            self._set_timer()
