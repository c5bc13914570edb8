"""Timestamps of one request and the durations between them, in seconds of `time.perf_counter`.

The routes, the batcher and the queue set the timestamps. Metrics and traces read them when the request has ended.
"""

from time import perf_counter


class RequestTiming:
    """When one request passed each stage. A timestamp or duration is 0 until the request has passed that stage.

    Attributes:
        arrived: the request arrived.
        received: its whole body was there. Only requests of the Open Inference Protocol set this timestamp.
        queued: its first rows entered a queue.
        compute_started: an engine started to compute the first of its rows.
        compute_ended: an engine finished the last of its rows.
        encode_started: encoding of the answer started.
        prepare_seconds: from the whole body to the first rows in a queue: decoding, checking, drawing.
        queue_seconds: from the first rows in a queue to the start of their computation.
        compute_seconds: from the first computed row to the last one that was computed before the response started.
        encode_seconds: duration of encoding; of a stream, the duration for its first block.
        rows: number of rows answered so far.
        invalid_rows: number of these rows that have no finite answer.
    """

    __slots__ = (
        "arrived", "compute_ended", "compute_seconds", "compute_started", "encode_seconds", "encode_started",
        "invalid_rows", "prepare_seconds", "queue_seconds", "queued", "received", "rows",
    )  # fmt: skip

    def __init__(self) -> None:
        self.arrived = perf_counter()
        self.received = self.queued = self.compute_started = self.compute_ended = self.encode_started = 0.0
        self.prepare_seconds = self.queue_seconds = self.compute_seconds = self.encode_seconds = 0.0
        self.rows = self.invalid_rows = 0

    def freeze(self) -> None:
        """Fix the prepare, queue and compute durations: later blocks of a stream depend on the client's speed."""
        if self.queued:
            self.queue_seconds = (self.compute_started or perf_counter()) - self.queued
            if self.received:
                self.prepare_seconds = self.queued - self.received
        if self.compute_ended:
            self.compute_seconds = self.compute_ended - self.compute_started
