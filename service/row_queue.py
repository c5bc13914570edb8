"""Rows that wait: a job has those of one request, taken chunk by chunk; a lane is a queue of jobs, each in its turn."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from diffeo.runtime.engines.engine import Tensors
from diffeo.runtime.finite_rows import Rows

from .errors import DeadlinePassed
from .observability.timing import RequestTiming


@dataclass(slots=True, eq=False)
class PendingRequest:
    """The rows of one request, and its answer as far as it has come.

    Attributes:
        rows: all of them.
        answer: what its caller awaits.
        lane: where it waits.
        deadline: time.monotonic() after which nobody needs the answer.
        timing: the request, to be stamped.
        taken: rows that are computed, or were.
        done: rows that are in `tensors`.
        tensors: the answer.
        timer: refuses it at its deadline.
    """

    rows: Rows
    answer: "asyncio.Future[Tensors]"
    lane: "RowQueue"
    deadline: float | None
    timing: RequestTiming
    taken: int = 0
    done: int = 0
    tensors: dict[str, Rows] = field(default_factory=dict)
    timer: asyncio.TimerHandle | None = None

    def take(self, room: int) -> slice:
        """The next rows that nobody computes yet, at most `room`."""
        part = slice(self.taken, min(self.taken + room, len(self.rows)))
        self.taken = part.stop
        self.lane.rows -= part.stop - part.start
        return part

    def give(self, part: slice, batch: "Computed", offset: int) -> None:
        """Put the rows [offset, offset + len(part)) of a batch's answer into their place."""
        timing, tensors = self.timing, batch.tensors
        timing.compute_started = timing.compute_started or batch.began
        timing.compute_ended = batch.ended
        size = part.stop - part.start
        whole = size == len(self.rows)
        for name, values in tensors.items():
            if whole:
                self.tensors[name] = values[offset : offset + size]
                continue
            if name not in self.tensors:
                self.tensors[name] = np.empty((len(self.rows), *values.shape[1:]), values.dtype)
            self.tensors[name][part] = values[offset : offset + size]
        self.done += size
        if self.done == len(self.rows) and not self.answer.done():
            self.answer.set_result(self.tensors)

    def refuse(self, error: Exception) -> None:
        """Tell the caller, unless it has been answered or has gone."""
        if not self.answer.done():
            self.answer.set_exception(error)

    def expire(self) -> None:
        """The deadline has passed, wherever the job is."""
        self.refuse(DeadlinePassed("the deadline of this request passed before its rows were computed"))

    def leave(self) -> None:
        """Nothing of it waits any more: it is answered, or its caller has gone."""
        self.take(len(self.rows))
        if self.timer is not None:
            self.timer.cancel()


RowSlice = tuple[PendingRequest, slice]


class Computed(NamedTuple):
    """What an engine gave for a batch, and when it began and ended, by time.perf_counter."""

    tensors: Tensors
    began: float
    ended: float


@dataclass(slots=True, eq=False)
class RowQueue:
    """A queue of jobs, and how many of their rows wait in it."""

    jobs: deque[PendingRequest] = field(default_factory=deque)
    rows: int = 0

    def add(self, job: PendingRequest) -> None:
        """Put a job at the end."""
        self.jobs.append(job)
        self.rows += len(job.rows)

    def take(self, room: int) -> list[RowSlice]:
        """At most `room` rows, of as many jobs as it takes; a job with rows left goes to the end."""
        shares: list[RowSlice] = []
        while self.jobs and room:
            job = self.jobs.popleft()
            # A caller that has gone, or whose other chunk failed, needs no more rows.
            if job.answer.done():
                continue
            part = job.take(room)
            room -= part.stop - part.start
            shares.append((job, part))
            if job.taken < len(job.rows):
                self.jobs.append(job)
        return shares
