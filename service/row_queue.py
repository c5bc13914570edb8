"""Queues of rows: a PendingRequest holds the rows and the result of one request, a RowQueue orders the requests."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from diffeo.runtime.engines.engine import Tensors
from diffeo.runtime.finite_rows import Rows

from .observability.timing import RequestTiming


@dataclass(slots=True, eq=False)
class PendingRequest:
    """The rows of one request, and the part of its result that is computed already.

    Attributes:
        rows: all rows of the request.
        result: the future that the caller awaits.
        queue: the queue that holds the request.
        deadline: time.monotonic() at which the request fails.
        timing: timestamps of the request.
        taken: number of rows taken from the queue so far.
        done: number of rows that are in `tensors`.
        tensors: the result by output name.
        timer: fails the request at its deadline.
    """

    rows: Rows
    result: "asyncio.Future[Tensors]"
    queue: "RowQueue"
    deadline: float | None
    timing: RequestTiming
    taken: int = 0
    done: int = 0
    tensors: dict[str, Rows] = field(default_factory=dict)
    timer: asyncio.TimerHandle | None = None

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
        if self.done == len(self.rows) and not self.result.done():
            self.result.set_result(self.tensors)

    def fail(self, error: Exception) -> None:
        """Raise the error in the caller, unless it has its result or was cancelled."""
        if not self.result.done():
            self.result.set_exception(error)

    def close(self) -> None:
        """Remove the remaining rows from the queue and stop the timer: the request is finished or cancelled."""
        self.take(len(self.rows))
        if self.timer is not None:
            self.timer.cancel()


RowSlice = tuple[PendingRequest, slice]  # some rows of a request


class ComputedBatch(NamedTuple):
    """The result of one engine call, and its start and end in seconds of time.perf_counter."""

    tensors: Tensors
    began: float
    ended: float


@dataclass(slots=True, eq=False)
class RowQueue:
    """A queue of requests.

    Attributes:
        requests: in the order in which their rows are taken next.
        rows: number of their rows that are still queued.
    """

    requests: deque[PendingRequest] = field(default_factory=deque)
    rows: int = 0

    def add(self, request: PendingRequest) -> None:
        """Put a request at the end."""
        self.requests.append(request)
        self.rows += len(request.rows)

    def take(self, limit: int) -> list[RowSlice]:
        """Take at most `limit` rows from the first requests; a request with rows left goes to the end of the queue."""
        slices: list[RowSlice] = []
        while self.requests and limit:
            request = self.requests.popleft()
            # The caller was cancelled, or another chunk of the request failed: it needs no more rows.
            if request.result.done():
                continue
            rows = request.take(limit)
            limit -= rows.stop - rows.start
            slices.append((request, rows))
            if request.taken < len(request.rows):
                self.requests.append(request)
        return slices
