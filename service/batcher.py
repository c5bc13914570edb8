"""Batches concurrent requests: joins their rows into one engine call and splits the result per request.

There is no timer, so batching adds no delay. While the engine is busy, requests wait in the queue and become the next
batch. If the engine is idle, the requests of one turn of the event loop become a batch. The batch also takes the
requests of the following turns, until a turn brings none or the rows are no longer cheap.

Cheap requests are computed on the event loop, the others in threads. A thread computes one chunk of a request, then the
request goes back to the queue, so a request with a million rows never blocks the others. The queue is bounded in
seconds of work and in rows. The batcher uses no HTTP and no flow: tensors in, tensors out.
"""

import asyncio
import math
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

import numpy as np

from diffeo.runtime.engines.engine import Engine, Tensors
from diffeo.runtime.finite_rows import Rows

from . import offload
from .admission.work_ahead import Reservation, WorkAhead
from .errors import DeadlinePassed, Overloaded
from .observability.counters import GraphCounters
from .observability.timing import RequestTiming
from .row_queue import ComputedBatch, PendingRequest, RowQueue, RowSlice

# This fraction of each chunk is reserved for large requests, so they progress at any load of cheap requests.
LARGE_REQUEST_SHARE: Final = 0.5
# An engine call has at least this many rows, however long they take: fewer rows waste most of a call.
MIN_CALL_ROWS: Final = 16
# A request with less work than this is not counted in the work ahead: counting costs as much as computing a row of it.
COUNTED_SECONDS: Final = 0.0001
# Weight of the last call in the moving average of seconds per row.
LAST_CALL_WEIGHT: Final = 0.1


@dataclass(frozen=True, slots=True)
class BatcherOptions:
    """The limits of one batcher.

    Attributes:
        parallel: engine calls at the same time.
        chunk_rows: most rows of one engine call.
        queue_rows: most rows in the queue; a request that arrives when the queue is full is rejected.
        timeout_seconds: time limit of a request, named in the error of a request that passes its deadline.
        seconds_per_row: measured beforehand; if infinite, nothing is computed on the event loop.
        call_seconds: longest engine call; a chunk of a slow model has fewer rows than `chunk_rows`.
        model: name of the model, for error sentences.
    """

    parallel: int
    chunk_rows: int
    queue_rows: int = 2**53
    timeout_seconds: float = math.inf
    seconds_per_row: float = math.inf
    call_seconds: float = math.inf
    model: str = "unnamed"

    def call_rows(self, seconds_per_row: float) -> int:
        """Most rows of one engine call, if a row takes so long."""
        if seconds_per_row * self.chunk_rows <= self.call_seconds or math.isinf(seconds_per_row):
            return self.chunk_rows
        return min(self.chunk_rows, max(MIN_CALL_ROWS, int(self.call_seconds / seconds_per_row)))


class Batcher:
    """One bounded queue in front of one engine.

    Args:
        engine: computes the rows.
        source: name of the engine's input, x or z.
        executor: threads for engine calls, shared by all batchers.
        options: limits.
        work: the work ahead of all batchers of the process.

    Attributes:
        options: limits.
        counters: count its batches and its queued rows.
    """

    def __init__(
        self, engine: Engine, source: str, executor: Executor, options: BatcherOptions, work: WorkAhead | None = None
    ) -> None:
        self.options = options
        self.counters = GraphCounters()
        self._work = work or WorkAhead()
        self._engine = engine
        self._source = source
        self._executor = executor
        self._idle_calls = options.parallel
        self._seconds_per_row = options.seconds_per_row
        # As it was counted in the sum of all batchers.
        self._last_queued_rows = 0
        call_rows = options.call_rows(options.seconds_per_row)
        self._cheap = RowQueue(call_rows)
        self._large = RowQueue(call_rows)
        # Requests since the last flush, and how many of them there were when the flush was postponed.
        self._arrivals: list[PendingRequest] = []
        self._seen_arrivals = 0
        self._flush_scheduled = False
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def seconds_per_row(self) -> float:
        """Seconds that one row takes in a call of a whole chunk."""
        return self._seconds_per_row

    @property
    def queued_rows(self) -> int:
        """Rows that no engine call has taken yet."""
        return self._cheap.rows + self._large.rows

    def work_seconds(self, rows: int) -> float:
        """Estimated seconds of all engines for this many rows; 0 if the speed is not measured."""
        return 0.0 if math.isinf(self._seconds_per_row) else rows * self._seconds_per_row / self.options.parallel

    def check(self, rows: int, deadline: float | None = None, client: str = "") -> None:
        """Reject a request of this many rows if too much work is ahead of it.

        Args:
            rows: number of rows, or a number that the request certainly exceeds.
            deadline: time.monotonic() at which the request fails.
            client: key of the client, for its share.

        Raises:
            Overloaded: too much work is ahead, or the request would miss its deadline.
            DeadlinePassed: the deadline has passed.
        """
        self._work.check(client, self.work_seconds(rows), deadline, self.options.model)

    def reserve(self, rows: int, client: str = "") -> Reservation:
        """Count the work of a request that is decoded now; its rows are counted again when they enter the queue."""
        return self._work.reserve(client, rows, self.work_seconds(1))

    async def run(
        self, rows: Rows, deadline: float | None = None, timing: RequestTiming | None = None, client: str = ""
    ) -> Tensors:
        """Compute rows [rows, D] in one or more batches with the rows of other requests.

        Args:
            rows: at least one row.
            deadline: time.monotonic() at which the request fails.
            timing: gets the timestamps of the request.
            client: key of the client, for its share.

        Raises:
            Overloaded: too much work is ahead of the request, or the queue is full.
            DeadlinePassed: raised at the deadline, wherever the rows are.
            EngineFailed: the engine failed on these rows; requests in the same batch are not affected.
        """
        if deadline is not None and deadline <= time.monotonic():
            raise self.deadline_passed()
        if len(rows) * self._seconds_per_row > COUNTED_SECONDS:
            self.check(len(rows), deadline, client)
        request = self._enqueue(rows, deadline, timing or RequestTiming(), client)
        try:
            return await request.result
        finally:
            request.close()

    async def run_admitted(
        self, rows: Rows, deadline: float | None = None, timing: RequestTiming | None = None, client: str = ""
    ) -> Tensors:
        """`run` for the rows of a request that is partly answered: the work ahead does not reject it."""
        request = self._enqueue(rows, deadline, timing or RequestTiming(), client)
        try:
            return await request.result
        finally:
            request.close()

    def deadline_passed(self) -> DeadlinePassed:
        """The error of a request whose deadline passed."""
        options = self.options
        limit = f"The limit is {options.timeout_seconds:g} s (DIFFEO_TIMEOUT_SECONDS), or less if the request sets it"
        return DeadlinePassed(
            f"model {options.model}: the deadline passed before all rows were computed. {limit}", self._work.seconds
        )

    async def probe(self, rows: Rows) -> Tensors:
        """Compute one row or more in a thread, without the queue: its length says nothing about the engine."""
        count = self.options.call_rows(self._seconds_per_row)
        # One call after the other: the calls of requests come between them.
        parts = [
            await offload.in_thread(
                self._engine.run, {self._source: rows[start : start + count]}, executor=self._executor
            )
            for start in range(0, len(rows), count)
        ]
        return (
            parts[0] if len(parts) == 1 else {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        )

    def _enqueue(self, rows: Rows, deadline: float | None, timing: RequestTiming, client: str) -> PendingRequest:
        # get_running_loop is called once per flush: where system calls are slow, it costs more than the rest of this.
        loop = self._loop if self._flush_scheduled and self._loop is not None else asyncio.get_running_loop()
        queued = self._cheap.rows + self._large.rows
        # A request with more rows than the queue may hold is accepted when the queue is empty.
        if queued and queued + len(rows) > self.options.queue_rows:
            raise self._overloaded(queued, len(rows))
        queue = self._cheap if len(rows) * self._seconds_per_row <= offload.COMPUTE_SECONDS else self._large
        timing.queued = timing.queued or time.perf_counter()
        request = PendingRequest(rows, loop.create_future(), queue, deadline, timing, client)
        if len(rows) * self._seconds_per_row > COUNTED_SECONDS:
            request.reservation = self._work.reserve(client, len(rows), self.work_seconds(1))
        queue.add(request)
        self._arrivals.append(request)
        if not self._flush_scheduled:
            self._flush_scheduled = True
            self._loop = loop
            loop.call_soon(self._flush, loop)
        return request

    def _overloaded(self, queued: int, rows: int) -> Overloaded:
        is_measured = not math.isinf(self._seconds_per_row)
        seconds = queued * self._seconds_per_row / self.options.parallel if is_measured else 1.0
        return Overloaded(
            f"model {self.options.model}: {queued:,} rows are queued, this request has {rows:,}, and the queue holds "
            f"at most {self.options.queue_rows:,} (DIFFEO_MAX_QUEUE_ROWS); try again in {max(1, math.ceil(seconds))} s",
            seconds,
        )

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        # One engine call and the code around it cost several times a cheap row, so cheap requests wait for the ones
        # that arrive in the next turn of the event loop, until a turn brings none or together they are not cheap.
        more_arrived = len(self._arrivals) > self._seen_arrivals
        if more_arrived and self.queued_rows * self._seconds_per_row <= offload.COMPUTE_SECONDS:
            self._seen_arrivals = len(self._arrivals)
            loop.call_soon(self._flush, loop)
            return
        self._seen_arrivals = 0
        self._flush_scheduled = False
        self._dispatch()

    def _dispatch(self) -> None:
        if self._cheap.rows and self._cheap.rows * self._seconds_per_row <= offload.COMPUTE_SECONDS:
            self._compute_on_loop(self._cheap.take(self.options.chunk_rows))
        while self._idle_calls > 0 and (batch := self._next_batch()):
            self._submit(batch)
        queued = self.queued_rows
        self._work.queued_rows += queued - self._last_queued_rows
        self._last_queued_rows = queued
        self.counters.set_queued_rows(queued)
        self._start_deadline_timers()

    def _start_deadline_timers(self) -> None:
        # Cheap requests are answered before this, without a timer: a timer costs as much as computing one of them.
        for request in self._arrivals:
            if request.deadline is not None and not request.result.done():
                seconds = max(0.0, request.deadline - time.monotonic())
                request.timer = asyncio.get_running_loop().call_later(seconds, self._expire, request)
        self._arrivals.clear()

    def _expire(self, request: PendingRequest) -> None:
        request.fail(self.deadline_passed())

    def _next_batch(self) -> list[RowSlice]:
        chunk_rows = self.options.call_rows(self._seconds_per_row)
        reserved = math.ceil(LARGE_REQUEST_SHARE * chunk_rows) if self._large.rows else 0
        batch = self._cheap.take(max(1, chunk_rows - reserved))
        return batch + self._large.take(chunk_rows - _count(batch))

    def _submit(self, batch: list[RowSlice]) -> None:
        self._idle_calls -= 1
        self._executor.submit(self._compute_in_thread, batch, asyncio.get_running_loop())

    def _compute_in_thread(self, batch: list[RowSlice], loop: asyncio.AbstractEventLoop) -> None:
        outcome: ComputedBatch | Exception
        try:
            outcome = self._run_timed(_join(batch))
        except Exception as error:  # noqa: BLE001  (any error must reach the callers of this batch)
            outcome = error
        loop.call_soon_threadsafe(self._on_done, batch, outcome)

    def _on_done(self, batch: list[RowSlice], outcome: ComputedBatch | Exception) -> None:
        self._idle_calls += 1
        self._work.pace.call_ended(self.work_seconds(_count(batch)), more_waits=self._work.queued_rows > 0)
        if not isinstance(outcome, Exception):
            self._scatter(batch, outcome)
        elif len(batch) == 1:
            batch[0][0].fail(outcome)
        else:
            # The engine may have failed on the rows of one request only, so each request is computed alone.
            for row_slice in batch:
                self._submit([row_slice])
        self._dispatch()

    def _compute_on_loop(self, batch: list[RowSlice]) -> None:
        if not batch:
            return
        try:
            rows = _join(batch)
            began = time.perf_counter()
            tensors = self._engine.run({self._source: rows})
        except Exception as error:  # noqa: BLE001  (as above)
            if len(batch) == 1:
                batch[0][0].fail(error)
                return
            for row_slice in batch:
                self._compute_on_loop([row_slice])
        else:
            self._scatter(batch, ComputedBatch(tensors, began, time.perf_counter()))

    def _scatter(self, batch: list[RowSlice], computed: ComputedBatch) -> None:
        offset = 0
        for request, rows in batch:
            request.store(rows, computed, offset)
            offset += rows.stop - rows.start
        self.counters.count_batch(offset)

    def _run_timed(self, rows: Rows) -> ComputedBatch:
        began = time.perf_counter()
        tensors = self._engine.run({self._source: rows})
        ended = time.perf_counter()
        # A small call costs more than its rows, so only calls near a whole chunk update the measured speed.
        if not math.isinf(self._seconds_per_row) and 2 * len(rows) > self.options.call_rows(self._seconds_per_row):
            self._seconds_per_row += LAST_CALL_WEIGHT * ((ended - began) / len(rows) - self._seconds_per_row)
        return ComputedBatch(tensors, began, ended)


def _count(batch: Sequence[RowSlice]) -> int:
    return sum(rows.stop - rows.start for _, rows in batch)


def _join(batch: Sequence[RowSlice]) -> Rows:
    arrays = [request.rows[rows] for request, rows in batch]
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
