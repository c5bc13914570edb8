"""Sums the seconds of engine work that accepted requests still need, by client, and admits or rejects new requests.

The queue gives each client an equal share and serves the short requests of a client first. So a request waits for at
most as much of another request as it needs itself. That bounds the wait of an accepted request, and a small request is
never rejected because one large job runs.
"""

import math
import time
from collections.abc import Callable
from typing import Final

from ..errors import DeadlinePassed, Overloaded
from .pace import Pace

NANOSECONDS: Final = 1_000_000_000


class Reservation:
    """The work that one accepted request still needs.

    Args:
        work: holds the sums.
        client: the key of the client.
        rows: number of rows that are not computed yet.
        nanoseconds: work of one row. It is an integer, so that the sums are exact for ever.
    """

    __slots__ = ("_client", "_nanoseconds", "_rows", "_work")

    def __init__(self, work: "WorkAhead", client: "_Client", rows: int, nanoseconds: int) -> None:
        self._work = work
        self._client = client
        self._rows = rows
        self._nanoseconds = nanoseconds

    @property
    def nanoseconds(self) -> int:
        """Work that is left."""
        return self._rows * self._nanoseconds

    def computed(self, rows: int) -> None:
        """Subtract rows that are computed; the last ones release the reservation."""
        self._work.subtract(self._client, min(rows, self._rows) * self._nanoseconds)
        self._rows = max(0, self._rows - rows)
        if not self._rows:
            self._client.reservations.discard(self)

    def release(self) -> None:
        """Subtract all that is left: the request has ended. A second call changes nothing."""
        self.computed(self._rows)


class _Client:
    """The reservations of one client and the sum of their work."""

    __slots__ = ("key", "nanoseconds", "reservations")

    def __init__(self, key: str) -> None:
        self.key = key
        self.nanoseconds = 0
        self.reservations: set[Reservation] = set()

    def before(self, nanoseconds: int) -> int:
        """The most work of this client that is computed before one more request of it ends."""
        return sum(min(each.nanoseconds, nanoseconds) for each in self.reservations)


class WorkAhead:
    """The work of all accepted requests of one process.

    Args:
        max_wait_seconds: a request that would wait longer is rejected.
        clock: monotonic time in seconds.

    Attributes:
        pace: how long the work really takes.
        queued_rows: rows of all batchers that no engine has started.
    """

    def __init__(self, max_wait_seconds: float = math.inf, clock: Callable[[], float] = time.monotonic) -> None:
        self.pace = Pace(clock)
        self.queued_rows = 0
        self._max_wait_seconds = max_wait_seconds
        self._clock = clock
        self._clients: dict[str, _Client] = {}
        self._nanoseconds = 0

    @property
    def seconds(self) -> float:
        """Seconds until all accepted requests are computed."""
        return self._nanoseconds / NANOSECONDS * self.pace.slowdown

    def wait_seconds(self, client: str, seconds: float) -> float:
        """The longest wait of a request, beside the time of its own work.

        Args:
            client: key of the client.
            seconds: work of the request.
        """
        own = int(seconds * NANOSECONDS)
        mine = self._clients.get(client)
        until_end = own + (mine.before(own) if mine is not None else 0)
        # While this client's work is computed, every other client gets at most the same share.
        others = sum(min(each.nanoseconds, until_end) for each in self._clients.values() if each is not mine)
        return (until_end - own + others) / NANOSECONDS * self.pace.slowdown

    def check(self, client: str, seconds: float, deadline: float | None, name: str) -> None:
        """Reject a request that would wait too long, or that would miss its deadline.

        Args:
            client: key of the client.
            seconds: work of the request.
            deadline: time.monotonic() at which the request fails.
            name: name of the model, for the sentence; empty if the body that is not read yet names it.

        Raises:
            Overloaded: too much work is ahead.
            DeadlinePassed: the deadline has passed already.
        """
        ahead = self.seconds
        own = seconds * self.pace.slowdown
        left = math.inf if deadline is None else deadline - self._clock()
        if left <= 0:
            raise DeadlinePassed(f"{_of(name)}the deadline passed before the request was complete", self.seconds)
        # A server without work tries every request: its measured pace may be out of date.
        if not ahead or (ahead <= self._max_wait_seconds and ahead + own <= left):
            return
        wait = self.wait_seconds(client, seconds)
        # One other client cannot keep a first request out: it waits at most as long for that client as for itself.
        longest = self._max_wait_seconds if client in self._clients else max(self._max_wait_seconds, own)
        if wait > longest:
            raise _overloaded(name, wait, f"the limit is {longest * 1000:g} ms (DIFFEO_MAX_WAIT_MS)", wait - longest)
        if wait + own > left:
            limit = f"it needs {_seconds(own)} itself, and its deadline is in {_seconds(left)}"
            raise _overloaded(name, wait, limit, wait)

    def reserve(self, client: str, rows: int, seconds_per_row: float) -> Reservation:
        """Add the work of an accepted request; call `release` when the request ends, however it ends."""
        found = self._clients.get(client)
        if found is None:
            found = self._clients[client] = _Client(client)
        reservation = Reservation(self, found, rows, max(1, round(seconds_per_row * NANOSECONDS)))
        found.reservations.add(reservation)
        found.nanoseconds += reservation.nanoseconds
        self._nanoseconds += reservation.nanoseconds
        return reservation

    def subtract(self, client: _Client, nanoseconds: int) -> None:
        """Subtract work that is computed or no longer wanted."""
        client.nanoseconds -= nanoseconds
        self._nanoseconds -= nanoseconds
        if not client.nanoseconds and self._clients.get(client.key) is client:
            del self._clients[client.key]


def _of(name: str) -> str:
    return f"model {name}: " if name else ""


def _overloaded(name: str, wait: float, limit: str, retry: float) -> Overloaded:
    again = max(1, math.ceil(retry))
    return Overloaded(
        f"{_of(name)}this request would wait {_seconds(wait)} for work ahead of it; {limit}; try again in {again} s",
        retry,
    )


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
