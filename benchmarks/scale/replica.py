"""A replica in the model: service/batcher.py with times in the place of arithmetic.

One core is shared by the loop and the engine. A turn reads whatever has come meanwhile, gathers at most a chunk of the
rows that wait, computes it and answers the requests that are complete; no timer. What is simplified: a large request is
computed between the small ones, where niceness would put it behind them; and a turn has what came before it, where the
service takes in what comes while it reads, which makes batches up to twice as large.
"""

import math
from collections import deque
from typing import Final

from benchmarks.scale.costs import ReplicaCosts

# As in service/batcher.py.
BULK_SHARE: Final = 0.25

Job = list[int]  # request, rows that nobody computes yet


class Replica:
    """The queue of one replica.

    Args:
        costs: of its steps.
        rows: of every request.
        gather: requests that one turn reads, at most; 1 is a server that does not batch.

    Attributes:
        busy: whether a turn is under way.
        present: requests that have come and have not gone.
        seconds: in which it was busy.
        turns: that had rows to compute.
        computed: rows.
    """

    def __init__(self, costs: ReplicaCosts, rows: list[int], gather: int | None = None) -> None:
        self._costs = costs
        self._rows = rows
        self._gather = gather
        self._unread: deque[int] = deque()
        self._quick: deque[Job] = deque()
        self._bulk: deque[Job] = deque()
        self._quick_rows = costs.inline_seconds / costs.row_seconds if costs.row_seconds else math.inf
        self._waiting = 0
        self._leaving: list[int] = []
        self._refused: list[int] = []
        self.busy = False
        self.present = 0
        self.seconds = 0.0
        self.turns = 0
        self.computed = 0

    def come(self, request: int) -> None:
        """It waits to be read."""
        self._unread.append(request)
        self.present += 1

    def begin(self) -> float:
        """Read, gather, compute; how long the turn takes, or 0 when there is nothing to do."""
        seconds = self._read() + self._compute()
        self.busy = seconds > 0 or bool(self._refused) or bool(self._leaving)
        self.seconds += seconds
        return seconds

    def end(self) -> tuple[list[int], list[int]]:
        """The requests that leave at the end of the turn: answered, refused."""
        answered, refused = self._leaving, self._refused
        self._leaving, self._refused = [], []
        self.present -= len(answered) + len(refused)
        self.busy = False
        return answered, refused

    def _read(self) -> float:
        costs, seconds = self._costs, 0.0
        unread = len(self._unread)
        for _ in range(unread if self._gather is None else min(unread, self._gather)):
            request = self._unread.popleft()
            rows = self._rows[request]
            quick = rows <= self._quick_rows
            # Threads read large bodies between chunks, so their rows are paid for in _compute.
            seconds += costs.request_seconds + (costs.read_seconds * rows if quick else 0.0)
            if self._waiting and self._waiting + rows > costs.queue_rows:
                self._refused.append(request)
                continue
            self._waiting += rows
            (self._quick if quick else self._bulk).append([request, rows])
        return seconds

    def _compute(self) -> float:
        if not self._waiting:
            return 0.0
        costs = self._costs
        kept = math.ceil(BULK_SHARE * costs.chunk_rows) if self._bulk else 0
        quick = self._take(self._quick, max(1, costs.chunk_rows - kept))
        bulk = self._take(self._bulk, costs.chunk_rows - quick) if self._bulk else 0
        rows = quick + bulk
        self._waiting -= rows
        self.turns += 1
        self.computed += rows
        return costs.turn_seconds + costs.row_seconds * rows + costs.read_seconds * bulk

    def _take(self, lane: deque[Job], room: int) -> int:
        """Rows of as many jobs as it takes; a job with rows left goes to the end."""
        taken = 0
        while lane and taken < room:
            job = lane.popleft()
            part = min(job[1], room - taken)
            taken += part
            job[1] -= part
            if job[1]:
                lane.append(job)
            else:
                self._leaving.append(job[0])
        return taken
