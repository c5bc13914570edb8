"""Tensors in, tensors out: gathers what waits into one call of an engine and gives each caller its slice.

There is no timer. What has queued while the engine was busy is the next batch; so is what arrives in one turn of the
loop, and in the turns after it as long as each brings more, so an idle service adds no delay. Requests cheap enough are
computed at once, on the loop; the others by threads, a chunk at a time, and a request goes to the end of the queue
after each chunk, so a million rows never hold up one. The queue is bounded in rows. It knows no HTTP and no flows.
"""

import asyncio
import math
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Final

import numpy as np

from diffeo.runtime.engines.engine import Engine, Tensors
from diffeo.runtime.finite_rows import Rows

from .errors import Overloaded
from .observability.counters import GraphCounters
from .observability.timing import RequestTiming
from .row_queue import Computed, PendingRequest, RowQueue, RowSlice

# Waking a thread and being woken by it costs about a twentieth of this. No longer than a chunk takes: so long the loop
# answers nobody.
INLINE_SECONDS: Final = 0.002
# Of each chunk that cheap requests fill, this part is kept for the others, which so go on at any load.
BULK_SHARE: Final = 0.25
# Weight of the last call in the measured pace.
LAST_CALL: Final = 0.1


class Batcher:
    """One bounded queue in front of one engine.

    Args:
        engine: what computes.
        source: the name of the engine's input, x or z.
        executor: threads that engines run on, shared by all batchers.
        parallel: batches in flight at the same time.
        chunk_rows: rows per call of the engine, at most.
        queue_rows: rows that may wait; a request that comes when there are more is refused.
        pace: seconds per row, as measured beforehand; without it nothing is computed on the loop.

    Attributes:
        counters: its batches and its queued rows.
    """

    def __init__(  # noqa: PLR0913, PLR0917  (the knobs of a queue; all are settings)
        self,
        engine: Engine,
        source: str,
        executor: Executor,
        parallel: int,
        chunk_rows: int,
        queue_rows: int = 2**53,
        pace: float = math.inf,
    ) -> None:
        self._engine = engine
        self._source = source
        self._executor = executor
        self._parallel = parallel
        self._idle = parallel
        self._chunk_rows = chunk_rows
        self._queue_rows = queue_rows
        self._pace = pace
        self._quick = RowQueue()
        self._bulk = RowQueue()
        self._fresh: list[PendingRequest] = []
        self._scheduled = False
        self._met = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self.counters = GraphCounters()

    @property
    def pace(self) -> float:
        """Seconds that one row takes in a large call."""
        return self._pace

    @property
    def waiting(self) -> int:
        """Rows that nobody computes yet."""
        return self._quick.rows + self._bulk.rows

    async def run(self, rows: Rows, deadline: float | None = None, timing: RequestTiming | None = None) -> Tensors:
        """The engine's answer to rows [rows, D], computed with whatever else waits.

        Args:
            rows: at least one row.
            deadline: time.monotonic() after which nobody needs the answer.
            timing: the request, to be stamped.

        Raises:
            Overloaded: too many rows wait already.
            DeadlinePassed: at the deadline, not when the queue comes to the request.
            EngineFailed: the runtime gave up on these rows, whatever they were computed with.
        """
        job = self._admit(rows, deadline, timing or RequestTiming())
        try:
            return await job.answer
        finally:
            job.leave()

    async def probe(self, rows: Rows) -> None:
        """Compute rows on a thread beside whatever waits; how long the queue is tells nothing of the engine."""
        await asyncio.get_running_loop().run_in_executor(self._executor, self._engine.run, {self._source: rows})

    def _admit(self, rows: Rows, deadline: float | None, timing: RequestTiming) -> PendingRequest:
        # Asked for once a batch: where system calls are slow, a running loop costs more than the rest of this.
        loop = self._loop if self._scheduled and self._loop is not None else asyncio.get_running_loop()
        waiting = self._quick.rows + self._bulk.rows
        # One request may be larger than the whole queue: it is served when nothing else waits.
        if waiting and waiting + len(rows) > self._queue_rows:
            raise Overloaded(f"{waiting} rows wait already; come back later", self._seconds(waiting))
        lane = self._quick if len(rows) * self._pace <= INLINE_SECONDS else self._bulk
        timing.queued = timing.queued or time.perf_counter()
        job = PendingRequest(rows, loop.create_future(), lane, deadline, timing)
        lane.add(job)
        self._fresh.append(job)
        if not self._scheduled:
            self._scheduled = True
            self._loop = loop
            loop.call_soon(self._meet, loop)
        return job

    def _seconds(self, rows: int) -> float:
        return 1.0 if math.isinf(self._pace) else rows * self._pace / self._parallel

    def _meet(self, loop: asyncio.AbstractEventLoop) -> None:
        # What came while this turn's requests were read is read in the next one. A call of the engine, and all that is
        # around it, costs several times a cheap row: those wait for each other, while they are cheap together.
        if len(self._fresh) > self._met and self.waiting * self._pace <= INLINE_SECONDS:
            self._met = len(self._fresh)
            loop.call_soon(self._meet, loop)
            return
        self._met = 0
        self._scheduled = False
        self._dispatch()

    def _dispatch(self) -> None:
        if self._quick.rows and self._quick.rows * self._pace <= INLINE_SECONDS:
            self._compute_here(self._quick.take(self._chunk_rows))
        while self._idle > 0 and (batch := self._gather()):
            self._launch(batch)
        self.counters.set_queued_rows(self.waiting)
        self._watch()

    def _watch(self) -> None:
        # Only now: a timer costs as much as a cheap row, and those are answered by now.
        for job in self._fresh:
            if job.deadline is not None and not job.answer.done():
                wait = max(0.0, job.deadline - time.monotonic())
                job.timer = asyncio.get_running_loop().call_later(wait, job.expire)
        self._fresh.clear()

    def _gather(self) -> list[RowSlice]:
        kept = math.ceil(BULK_SHARE * self._chunk_rows) if self._bulk.rows else 0
        batch = self._quick.take(max(1, self._chunk_rows - kept))
        return batch + self._bulk.take(self._chunk_rows - _rows_of(batch))

    def _launch(self, batch: list[RowSlice]) -> None:
        self._idle -= 1
        self._executor.submit(self._compute_there, batch, asyncio.get_running_loop())

    def _compute_there(self, batch: list[RowSlice], loop: asyncio.AbstractEventLoop) -> None:
        outcome: Computed | Exception
        try:
            outcome = self._call(_join(batch))
        except Exception as error:  # noqa: BLE001  (whatever it is, the callers of this batch must hear it)
            outcome = error
        loop.call_soon_threadsafe(self._land, batch, outcome)

    def _land(self, batch: list[RowSlice], outcome: Computed | Exception) -> None:
        self._idle += 1
        if not isinstance(outcome, Exception):
            self._give(batch, outcome)
        elif len(batch) == 1:
            batch[0][0].refuse(outcome)
        else:
            # One request may be what the runtime cannot take; the others are computed without it.
            for share in batch:
                self._launch([share])
        self._dispatch()

    def _compute_here(self, batch: list[RowSlice]) -> None:
        if not batch:
            return
        try:
            rows = _join(batch)
            began = time.perf_counter()
            tensors = self._engine.run({self._source: rows})
        except Exception as error:  # noqa: BLE001  (as above)
            if len(batch) == 1:
                batch[0][0].refuse(error)
                return
            for share in batch:
                self._compute_here([share])
        else:
            self._give(batch, Computed(tensors, began, time.perf_counter()))

    def _give(self, batch: list[RowSlice], computed: Computed) -> None:
        offset = 0
        for job, part in batch:
            job.give(part, computed, offset)
            offset += part.stop - part.start
        self.counters.count_batch(offset)

    def _call(self, rows: Rows) -> Computed:
        began = time.perf_counter()
        tensors = self._engine.run({self._source: rows})
        ended = time.perf_counter()
        # Small calls cost more than their rows; only those near a whole chunk tell the pace.
        if not math.isinf(self._pace) and 2 * len(rows) > self._chunk_rows:
            self._pace += LAST_CALL * ((ended - began) / len(rows) - self._pace)
        return Computed(tensors, began, ended)


def _rows_of(batch: Sequence[RowSlice]) -> int:
    return sum(part.stop - part.start for _, part in batch)


def _join(batch: Sequence[RowSlice]) -> Rows:
    blocks = [job.rows[part] for job, part in batch]
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
