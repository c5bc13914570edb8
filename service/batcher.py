"""Tensors in, tensors out: gathers what waits into one call of an engine and gives each caller its slice.

There is no timer. What has queued while the engine was busy is the next batch, so an idle service adds no delay. Rows
of a large request are taken a chunk at a time and the request goes to the end of the queue after each, so a million
rows never hold up one. It knows no HTTP and no flows.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from service.engines.engine import Engine, Tensors

Rows = npt.NDArray[np.floating]  # [rows, D]


@dataclass(slots=True)
class _Job:
    rows: Rows
    answer: "asyncio.Future[Tensors]"
    taken: int = 0
    done: int = 0
    tensors: dict[str, Rows] = field(default_factory=dict)

    def take(self, room: int) -> slice:
        """The next rows that nobody computes yet, at most `room`."""
        part = slice(self.taken, min(self.taken + room, len(self.rows)))
        self.taken = part.stop
        return part

    def give(self, part: slice, tensors: Tensors, offset: int) -> None:
        """Put the rows [offset, offset + len(part)) of a batch's answer into their place."""
        size = part.stop - part.start
        for name, values in tensors.items():
            if size == len(self.rows):
                self.tensors[name] = values[offset : offset + size]
                continue
            if name not in self.tensors:
                self.tensors[name] = np.empty((len(self.rows), *values.shape[1:]), values.dtype)
            self.tensors[name][part] = values[offset : offset + size]
        self.done += size
        if self.done == len(self.rows) and not self.answer.done():
            self.answer.set_result(self.tensors)


Share = tuple[_Job, slice]


class Batcher:
    """One queue in front of one engine.

    Args:
        engine: what computes.
        source: the name of the engine's input, x or z.
        executor: threads that engines run on, shared by all batchers.
        parallel: batches in flight at the same time.
        chunk_rows: rows per call of the engine, at most.
    """

    def __init__(self, engine: Engine, source: str, executor: Executor, parallel: int, chunk_rows: int) -> None:
        self._engine = engine
        self._source = source
        self._executor = executor
        self._idle = parallel
        self._chunk_rows = chunk_rows
        self._queue: deque[_Job] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, rows: Rows) -> Tensors:
        """The engine's answer to rows [rows, D], computed with whatever else waits.

        Raises:
            EngineFailed: the runtime gave up on the batch.
        """
        job = _Job(rows, asyncio.get_running_loop().create_future())
        self._queue.append(job)
        self._dispatch()
        return await job.answer

    def _dispatch(self) -> None:
        while self._idle and (batch := self._gather()):
            self._idle -= 1
            task = asyncio.get_running_loop().create_task(self._compute(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _gather(self) -> list[Share]:
        batch: list[Share] = []
        room = self._chunk_rows
        while self._queue and room:
            job = self._queue.popleft()
            # A caller that has gone, or whose other chunk failed, needs no more rows.
            if job.answer.done():
                continue
            part = job.take(room)
            room -= part.stop - part.start
            batch.append((job, part))
            if job.taken < len(job.rows):
                self._queue.append(job)
        return batch

    async def _compute(self, batch: list[Share]) -> None:
        try:
            rows = _join(job.rows[part] for job, part in batch)
            loop = asyncio.get_running_loop()
            tensors = await loop.run_in_executor(self._executor, self._engine.run, {self._source: rows})
        except Exception as error:  # noqa: BLE001  (whatever it is, the callers of this batch must hear it)
            for job, _ in batch:
                if not job.answer.done():
                    job.answer.set_exception(error)
        else:
            offset = 0
            for job, part in batch:
                job.give(part, tensors, offset)
                offset += part.stop - part.start
        finally:
            self._idle += 1
            self._dispatch()


def _join(parts: Iterable[Rows]) -> Rows:
    blocks = list(parts)
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
