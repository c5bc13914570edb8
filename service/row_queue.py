"""Queues of rows: a PendingRequest holds the rows and the result of one request, a RowQueue orders the requests.

If the queue holds more rows than one engine call takes, each client gets the same number of rows, and the request goes
first that would end first if all clients were served in turns of one row. So requests of one size are computed one
after the other and not all at a time. Of one client, the request that needs the fewest further calls goes first. A
waiting request gains priority with every row that arrives after it, so later requests can delay it by at most AGEING
times its own rows.

Reference: Demers, Keshav, Shenker, "Analysis and simulation of a fair queueing algorithm", SIGCOMM 1989, section 2.
"""

import asyncio
import heapq
from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from diffeo.runtime.engines.engine import Tensors
from diffeo.runtime.finite_rows import Rows

from .admission.work_ahead import Reservation
from .observability.timing import RequestTiming

# Rows that may arrive later and go first, for each row of a request. With ten, a request of a tenth of the size of the
# requests that fill the queue goes first.
AGEING: Final = 10


@dataclass(slots=True, eq=False)
class PendingRequest:
    """The rows of one request, and the part of its result that is computed already.

    Attributes:
        rows: all rows of the request.
        result: the future that the caller awaits.
        queue: the queue that holds the request.
        deadline: time.monotonic() at which the request fails.
        timing: timestamps of the request.
        client: key of the client, for its share.
        reservation: the work of the request; None if it is too little to be counted.
        taken: number of rows taken from the queue so far.
        done: number of rows that are in `tensors`.
        tensors: the result by output name.
        timer: fails the request at its deadline.
        arrived: number of rows that had entered the queue before this request.
    """

    rows: Rows
    result: "asyncio.Future[Tensors]"
    queue: "RowQueue"
    deadline: float | None
    timing: RequestTiming
    client: str = ""
    reservation: Reservation | None = None
    taken: int = 0
    done: int = 0
    tensors: dict[str, Rows] = field(default_factory=dict)
    timer: asyncio.TimerHandle | None = None
    arrived: int = 0

    def priority(self, call_rows: int) -> int:
        """The request of a client with the lowest number goes first; those of less than one call in their order."""
        rows_left = len(self.rows) - self.taken
        return self.arrived + AGEING * (rows_left - rows_left % call_rows)

    def take(self, limit: int) -> slice:
        """Take the next rows out of the queue, at most `limit`."""
        rows = slice(self.taken, min(self.taken + limit, len(self.rows)))
        self.taken = rows.stop
        self.queue.rows -= rows.stop - rows.start
        return rows

    def store(self, rows: slice, batch: "ComputedBatch", offset: int) -> None:
        """Copy the result of `rows`, which starts at row `offset` of the batch; the last rows finish the request."""
        timing, tensors = self.timing, batch.tensors
        timing.compute_started = timing.compute_started or batch.began
        timing.compute_ended = batch.ended
        count = rows.stop - rows.start
        in_one_batch = count == len(self.rows)
        for name, values in tensors.items():
            if in_one_batch:
                self.tensors[name] = values[offset : offset + count]
                continue
            if name not in self.tensors:
                self.tensors[name] = np.empty((len(self.rows), *values.shape[1:]), values.dtype)
            self.tensors[name][rows] = values[offset : offset + count]
        self.done += count
        if self.reservation is not None:
            self.reservation.computed(count)
        if self.done == len(self.rows) and not self.result.done():
            self.result.set_result(self.tensors)

    def fail(self, error: Exception) -> None:
        """Raise the error in the caller, unless it has its result or was cancelled."""
        if not self.result.done():
            self.result.set_exception(error)

    def close(self) -> None:
        """Remove the remaining rows from the queue and stop the timer: the request is finished or cancelled."""
        self.take(len(self.rows))
        if self.reservation is not None:
            self.reservation.release()
        if self.timer is not None:
            self.timer.cancel()


RowSlice = tuple[PendingRequest, slice]  # some rows of a request


class ComputedBatch(NamedTuple):
    """The result of one engine call, and its start and end in seconds of time.perf_counter."""

    tensors: Tensors
    began: float
    ended: float


class _Client:
    """The requests of one client, by priority, and the number of rows up to which it had its share.

    `place` is the number of its valid place in the order of the clients; it gets a new one when its next request
    changes.
    """

    __slots__ = ("place", "requests", "turn")

    def __init__(self, turn: int) -> None:
        self.turn = turn
        self.place = 0
        self.requests: list[tuple[int, int, PendingRequest]] = []

    @property
    def next(self) -> PendingRequest:
        """The request that goes first."""
        return self.requests[0][-1]

    @property
    def end(self) -> int:
        """The number of rows up to which the client has had its share when that request is computed."""
        request = self.next
        return self.turn + len(request.rows) - request.taken


class RowQueue:
    """A queue of requests.

    Args:
        call_rows: most rows of one engine call.

    Attributes:
        rows: number of their rows that are still queued.
    """

    __slots__ = ("_arrived", "_call_rows", "_clients", "_new", "_order", "_serial", "_turn", "rows")

    def __init__(self, call_rows: int) -> None:
        self.rows = 0
        self._call_rows = call_rows
        # The number of rows that ever entered the queue.
        self._arrived = 0
        # Requests in the order of their arrival. They are ordered by client only if one engine call cannot take all.
        self._new: deque[PendingRequest] = deque()
        self._clients: dict[str, _Client] = {}
        self._order: list[tuple[int, int, int, str]] = []
        # The share of the client that was served last; a new client begins with it.
        self._turn = 0
        self._serial = 0

    def add(self, request: PendingRequest) -> None:
        """Put a request into the queue."""
        request.arrived = self._arrived
        self._arrived += len(request.rows)
        self.rows += len(request.rows)
        self._new.append(request)

    def take(self, limit: int) -> list[RowSlice]:
        """Take at most `limit` rows in the order of the queue."""
        if self.rows <= limit:
            return self._take_all()
        while self._new:
            self._insert(self._new.popleft())
        slices: list[RowSlice] = []
        while self._order and limit:
            *_, place, key = heapq.heappop(self._order)
            client = self._clients.get(key)
            if client is None or client.place != place:
                continue
            request = heapq.heappop(client.requests)[-1]
            # The caller was cancelled, or another chunk of the request failed: it needs no more rows.
            if not request.result.done():
                rows = request.take(limit)
                count = rows.stop - rows.start
                limit -= count
                client.turn += count
                self._turn = max(self._turn, client.turn)
                slices.append((request, rows))
                if request.taken < len(request.rows):
                    self._push(client, request)
            if client.requests:
                self._schedule(key, client)
            else:
                del self._clients[key]
        return slices

    def _take_all(self) -> list[RowSlice]:
        ordered = [entry[-1] for client in self._clients.values() for entry in sorted(client.requests)]
        self._clients.clear()
        self._order.clear()
        requests = [*ordered, *self._new] if ordered else list(self._new)
        self._new.clear()
        return [(each, each.take(len(each.rows))) for each in requests if not each.result.done()]

    def _insert(self, request: PendingRequest) -> None:
        client = self._clients.get(request.client)
        if client is None:
            # A client that comes back gets no share for the time in which it sent nothing.
            client = self._clients[request.client] = _Client(self._turn)
        self._push(client, request)
        if client.next is request:
            self._schedule(request.client, client)

    def _push(self, client: _Client, request: PendingRequest) -> None:
        self._serial += 1
        heapq.heappush(client.requests, (request.priority(self._call_rows), self._serial, request))

    def _schedule(self, key: str, client: _Client) -> None:
        self._serial += 1
        client.place = self._serial
        heapq.heappush(self._order, (client.end, client.next.arrived, client.place, key))
