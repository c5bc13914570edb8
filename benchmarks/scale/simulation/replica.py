"""A simulated replica: the batcher of the service, with times in place of arithmetic.

The event loop and the engine share one core. A turn reads all requests that have arrived, takes at most a chunk of
queued rows, computes it and answers the requests that are complete. There is no timer. Two simplifications: the model
computes a large request between the small ones, where the service would give it a lower priority; and a turn takes the
requests that arrived before it, where the service also takes those that arrive while it reads, so its batches are up to
twice as large.
"""

import math
from collections import deque
from typing import Final

from benchmarks.scale.costs.costs import ReplicaCosts

LARGE_SHARE: Final = 0.25  # share of a chunk for large requests, as in the batcher of the service

QueuedRequest = list[int]  # number of the request, rows that are not computed yet


class Replica:
    """The queues of one replica.

    Args:
        costs: costs of its steps.
        rows: rows of every request of the simulation.
        gather: maximum number of requests that one turn reads; 1 is a server that does not batch.

    Attributes:
        busy: whether a turn is running.
        present: number of requests that have arrived and not left.
        busy_seconds: total time of all turns.
        turns: number of turns with rows to compute.
        computed_rows: total number of computed rows.
    """

    def __init__(self, costs: ReplicaCosts, rows: list[int], gather: int | None = None) -> None:
        self._costs = costs
        self._rows = rows
        self._gather = gather
        self._unread: deque[int] = deque()
        self._small: deque[QueuedRequest] = deque()
        self._large: deque[QueuedRequest] = deque()
        self._small_rows = costs.inline_seconds / costs.row_seconds if costs.row_seconds else math.inf
        self._queued_rows = 0
        self._answered: list[int] = []
        self._rejected: list[int] = []
        self.busy = False
        self.present = 0
        self.busy_seconds = 0.0
        self.turns = 0
        self.computed_rows = 0

    def add(self, request: int) -> None:
        """A request arrives. The next turn reads it."""
        self._unread.append(request)
        self.present += 1

    def begin_turn(self) -> float:
        """Reads, queues and computes; returns the length of the turn, 0 if there is nothing to do."""
        seconds = self._read() + self._compute()
        self.busy = seconds > 0 or bool(self._rejected) or bool(self._answered)
        self.busy_seconds += seconds
        return seconds

    def end_turn(self) -> tuple[list[int], list[int]]:
        """Returns the requests that leave at the end of the turn: answered, rejected."""
        answered, rejected = self._answered, self._rejected
        self._answered, self._rejected = [], []
        self.present -= len(answered) + len(rejected)
        self.busy = False
        return answered, rejected

    def _read(self) -> float:
        costs, seconds = self._costs, 0.0
        unread = len(self._unread)
        for _ in range(unread if self._gather is None else min(unread, self._gather)):
            request = self._unread.popleft()
            rows = self._rows[request]
            small = rows <= self._small_rows
            # Threads read large bodies between chunks, so _compute counts the time of their rows.
            seconds += costs.request_seconds + (costs.read_seconds * rows if small else 0.0)
            if self._queued_rows and self._queued_rows + rows > costs.queue_rows:
                self._rejected.append(request)
                continue
            self._queued_rows += rows
            (self._small if small else self._large).append([request, rows])
        return seconds

    def _compute(self) -> float:
        if not self._queued_rows:
            return 0.0
        costs = self._costs
        reserved = math.ceil(LARGE_SHARE * costs.chunk_rows) if self._large else 0
        small = self._take(self._small, max(1, costs.chunk_rows - reserved))
        large = self._take(self._large, costs.chunk_rows - small) if self._large else 0
        rows = small + large
        self._queued_rows -= rows
        self.turns += 1
        self.computed_rows += rows
        return costs.turn_seconds + costs.row_seconds * rows + costs.read_seconds * large

    def _take(self, queue: deque[QueuedRequest], limit: int) -> int:
        """Takes up to `limit` rows; a request with rows left goes to the end of the queue."""
        taken = 0
        while queue and taken < limit:
            request = queue.popleft()
            rows = min(request[1], limit - taken)
            taken += rows
            request[1] -= rows
            if request[1]:
                queue.append(request)
            else:
                self._answered.append(request[0])
        return taken
