"""What is counted while requests pass: a few additions each, into numbers that a ledger adds up over processes."""

from bisect import bisect_left
from collections.abc import Sequence
from time import perf_counter
from typing import Final

from .shared_counters import LEVEL, Cells, alone
from .timing import RequestTiming

# Upper bounds of the histograms: a row alone takes tens of microseconds, a million of them seconds.
SECONDS: Final = (
    2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0
)  # fmt: skip
ROWS: Final = (1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536)

# Where in a page what is counted. A histogram is a count for each bound, one above them all, and a sum.
ROWS_ANSWERED: Final = LEVEL + 1
ROWS_INVALID: Final = LEVEL + 2
REQUEST: Final = LEVEL + 3
QUEUE: Final = REQUEST + len(SECONDS) + 2
COMPUTE: Final = QUEUE + len(SECONDS) + 2
ENCODE: Final = COMPUTE + len(SECONDS) + 2
REFUSED: Final = ENCODE + len(SECONDS) + 2
BATCH: Final = LEVEL + 1

Refusal = tuple[str, int]  # why, and with which status


class Meter:
    """Numbers of its own until it is bound to a page of the ledger, where they go on."""

    __slots__ = ("_cells", "bound")

    def __init__(self) -> None:
        self._cells: Cells = alone()
        self.bound = False

    def bind(self, cells: Cells) -> None:
        """Count there from now on, and what was counted so far."""
        for place, number in enumerate(self._cells):
            cells[place] += number
        self._cells = cells
        self.bound = True


class EndpointCounters(Meter):
    """Requests of one verb to one version of one model, or to none that was found.

    Args:
        verb: what was asked.
        model: the name of the model; empty where none was found.
        version: its version as text; empty where none was found.
        refusals: reasons and statuses that a request can end with; what is none of them is counted as the first.
    """

    __slots__ = ("_places", "model", "verb", "version")

    def __init__(self, verb: str, model: str = "", version: str = "", refusals: Sequence[Refusal] = ()) -> None:
        super().__init__()
        self.verb = verb
        self.model = model
        self.version = version
        self._places = {refusal: REFUSED + number for number, refusal in enumerate(refusals)}

    def count(self, timing: RequestTiming, status: int, problem: str) -> None:
        """Count one request that has ended; `problem` is the type of its problem, empty if it was answered."""
        cells = self._cells
        observe(cells, REQUEST, perf_counter() - timing.began)
        if problem:
            cells[self._places.get((problem, status), REFUSED)] += 1.0
        else:
            observe(cells, QUEUE, timing.queue)
            observe(cells, COMPUTE, timing.compute)
            observe(cells, ENCODE, timing.encode)
        cells[ROWS_ANSWERED] += timing.rows
        if timing.invalid:
            cells[ROWS_INVALID] += timing.invalid


class GraphCounters(Meter):
    """Calls of one graph in one precision, and the rows that wait for it."""

    __slots__ = ("_shown",)

    def __init__(self) -> None:
        super().__init__()
        self._shown = 0

    def batch(self, rows: int) -> None:
        """An engine has computed so many rows in one call."""
        cells = self._cells
        cells[BATCH + bisect_left(ROWS, rows)] += 1.0
        cells[BATCH + len(ROWS) + 1] += rows

    def wait(self, rows: int) -> None:
        """So many rows wait now."""
        # Two versions of the same number may share a page while one replaces the other; so each adds what is its own.
        if rows != self._shown:
            self._cells[LEVEL] += rows - self._shown
            self._shown = rows


def observe(cells: Cells, histogram: int, seconds: float) -> None:
    """One more value in a histogram of seconds."""
    cells[histogram + bisect_left(SECONDS, seconds)] += 1.0
    cells[histogram + len(SECONDS) + 1] += seconds
