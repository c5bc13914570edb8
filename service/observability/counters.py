"""Counts requests and engine calls: a few additions for each, into one slot of the shared counters.

This module also defines the layout of a slot: at which index each value stands.
"""

from bisect import bisect_left
from collections.abc import Sequence
from time import perf_counter, time
from typing import Final

from .shared_counters import FIRST_COUNTER, GAUGE, LATEST, add_values, private_values
from .slot_file import Sums, Values
from .timing import RequestTiming

# Upper bounds of the histograms. One row takes tens of microseconds, a million rows take seconds.
SECONDS_BOUNDS: Final = (
    2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0
)  # fmt: skip
ROWS_BOUNDS: Final = (1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536)

# Indices into the slot of an endpoint. A histogram takes one value for each bound, one for all larger values, and one
# for the sum.
ROWS_ANSWERED: Final = FIRST_COUNTER
ROWS_INVALID: Final = FIRST_COUNTER + 1
PREPARE_SECONDS: Final = FIRST_COUNTER + 2
REJECTED_SECONDS: Final = FIRST_COUNTER + 3
REQUEST: Final = FIRST_COUNTER + 4
QUEUE: Final = REQUEST + len(SECONDS_BOUNDS) + 2
COMPUTE: Final = QUEUE + len(SECONDS_BOUNDS) + 2
ENCODE: Final = COMPUTE + len(SECONDS_BOUNDS) + 2
# One value for each way in which a request can end without an answer.
REJECTED: Final = ENCODE + len(SECONDS_BOUNDS) + 2

# Indices into the slot of a graph.
QUEUED_ROWS: Final = GAUGE
BATCH: Final = FIRST_COUNTER

Rejection = tuple[str, int]  # problem type and HTTP status of a request that ended without an answer


class SlotCounters:
    """Counters that start with private values and move to a slot of the shared counters when they are bound to it.

    Attributes:
        bound: True once the counters count into a slot.
    """

    __slots__ = ("__weakref__", "_values", "bound")

    def __init__(self) -> None:
        self._values: Values = private_values()
        self.bound = False

    def bind(self, slot: Values) -> None:
        """Add everything counted so far to the slot, and count there from now on."""
        add_values(slot, self._values)
        self.rebind(slot)

    def rebind(self, slot: Values) -> None:
        """Count into this slot from now on; it has the counts of the slot before."""
        self._values = slot
        self.bound = True


class EndpointCounters(SlotCounters):
    """Requests for one operation of one model version, or requests whose model was not found.

    Args:
        operation: sample, log_prob or transform.
        model: name of the model; empty if no model was found.
        version: version of the model; empty if no model was found.
        rejections: all ways in which a request can end without an answer. A request that ends in another way is
            counted as the first of them.
    """

    __slots__ = ("_rejected_index", "model", "operation", "version")

    def __init__(
        self, operation: str, model: str = "", version: str = "", rejections: Sequence[Rejection] = ()
    ) -> None:
        super().__init__()
        self.operation = operation
        self.model = model
        self.version = version
        self._rejected_index = {rejection: REJECTED + number for number, rejection in enumerate(rejections)}

    def count(self, timing: RequestTiming, status: int, problem: str) -> None:
        """Count one request that has ended.

        Args:
            timing: its durations and rows.
            status: HTTP status of the response.
            problem: type of the problem that ended the request; empty if the request was answered.
        """
        values = self._values
        seconds = perf_counter() - timing.arrived
        observe_seconds(values, REQUEST, seconds)
        if problem:
            values[self._rejected_index.get((problem, status), REJECTED)] += 1.0
            values[REJECTED_SECONDS] += seconds
        else:
            observe_seconds(values, QUEUE, timing.queue_seconds)
            observe_seconds(values, COMPUTE, timing.compute_seconds)
            observe_seconds(values, ENCODE, timing.encode_seconds)
            values[PREPARE_SECONDS] += timing.prepare_seconds
            values[LATEST] = time()
        values[ROWS_ANSWERED] += timing.rows
        if timing.invalid_rows:
            values[ROWS_INVALID] += timing.invalid_rows


class GraphCounters(SlotCounters):
    """Engine calls of one graph in one precision, and the number of rows that are queued for it."""

    __slots__ = ("_queued_rows",)

    def __init__(self) -> None:
        super().__init__()
        self._queued_rows = 0

    def count_batch(self, rows: int) -> None:
        """Count one engine call that computed this many rows."""
        values = self._values
        values[BATCH + bisect_left(ROWS_BOUNDS, rows)] += 1.0
        values[BATCH + len(ROWS_BOUNDS) + 1] += rows

    def set_queued_rows(self, rows: int) -> None:
        """Set the number of rows that are queued now."""
        # While a version is replaced by one of the same number, both count into one slot: each adds its own change.
        if rows != self._queued_rows:
            self._values[QUEUED_ROWS] += rows - self._queued_rows
            self._queued_rows = rows


def observe_seconds(values: Values, histogram: int, seconds: float) -> None:
    """Add one duration to the histogram of seconds that starts at index `histogram`."""
    values[histogram + bisect_left(SECONDS_BOUNDS, seconds)] += 1.0
    values[histogram + len(SECONDS_BOUNDS) + 1] += seconds


def answered(sums: Sums) -> float:
    """The number of answered requests in the slot of an endpoint."""
    # Each answered request has one value in the histogram of queue durations, and no other request has one.
    return histogram_count(sums, QUEUE)


def histogram_count(sums: Sums, histogram: int) -> float:
    """The number of durations in the histogram of seconds that starts at index `histogram`."""
    return float(sums[histogram : histogram + len(SECONDS_BOUNDS) + 1].sum())


def histogram_sum(sums: Sums, histogram: int) -> float:
    """The sum of all durations in the same histogram, seconds."""
    return float(sums[histogram + len(SECONDS_BOUNDS) + 1])
