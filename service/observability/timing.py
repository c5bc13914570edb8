"""What one request was: where its seconds went, how many rows it had, how it ended.

It is stamped on its way, in seconds of `time.perf_counter`; metrics and traces read it at the end.
"""

from time import perf_counter


class RequestTiming:
    """The stamps of one request, and what is between them; 0 where it has not come so far.

    Attributes:
        began: it arrived.
        admitted: its first rows came to a queue.
        taken: an engine took the first of them.
        computed: an engine gave the last of them.
        encoding: the answer began to be written.
        queue: seconds in which nobody computed its rows yet.
        compute: seconds from the first row that an engine took to the last that it gave before the answer left.
        encode: seconds in which the answer was written; of a stream its first piece.
        rows: rows answered.
        invalid: rows among them that have no answer.
    """

    __slots__ = (
        "admitted", "began", "compute", "computed", "encode", "encoding", "invalid", "queue", "rows", "taken",
    )  # fmt: skip

    def __init__(self) -> None:
        self.began = perf_counter()
        self.admitted = self.taken = self.computed = self.encoding = self.queue = self.compute = self.encode = 0.0
        self.rows = self.invalid = 0

    def leave(self) -> None:
        """Its answer leaves: what is computed after that, of a stream, is computed at the pace of its client."""
        if self.admitted:
            self.queue = (self.taken or perf_counter()) - self.admitted
        if self.computed:
            self.compute = self.computed - self.taken
