"""What one request was: where its seconds went, how many rows it had, how it ended.

It is stamped on its way, in seconds of `time.perf_counter`; metrics and traces read it at the end.
"""

import math
from time import perf_counter


class Visit:
    """The stamps of one request; 0 where it has not come so far.

    Attributes:
        began: it arrived.
        admitted: its first rows came to a queue.
        taken: an engine took the first of them.
        computed: an engine gave the last of them.
        encoding: the rows began to be written.
        encoded: they were written.
        until: the head of a stream left; what is computed later is computed at the pace of its client.
        rows: rows answered.
        invalid: rows among them that have no answer.
        reason: the type of the problem that it ended with; empty where there was none.
        status: the status of its answer, or of what became of it.
    """

    __slots__ = (
        "admitted", "began", "computed", "encoded", "encoding", "invalid", "reason", "rows", "status", "taken", "until"
    )  # fmt: skip

    def __init__(self) -> None:
        self.began = perf_counter()
        self.admitted = self.taken = self.computed = self.encoding = self.encoded = 0.0
        self.until = math.inf
        self.rows = self.invalid = self.status = 0
        self.reason = ""

    @property
    def queue(self) -> float:
        """Seconds in which nobody computed its rows yet."""
        return (self.taken or perf_counter()) - self.admitted if self.admitted else 0.0

    @property
    def compute(self) -> float:
        """Seconds from the first row that an engine took to the last that it gave."""
        return min(self.computed, self.until) - self.taken if self.computed else 0.0

    @property
    def encode(self) -> float:
        """Seconds in which the answer was written."""
        return self.encoded - self.encoding if self.encoded else 0.0
