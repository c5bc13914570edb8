"""Holds the place of one worker: the worker, its successor, and the time before which none is started."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .worker_process import WorkerProcess

FIRST_BACKOFF_SECONDS: Final = 0.25
LONGEST_BACKOFF_SECONDS: Final = 10.0
# Beyond this number of failures the wait is the longest one; a larger power of two would not fit into a float.
MOST_DOUBLINGS: Final = 16
# A worker that is often slow costs one start of a successor in this time; one that hangs meanwhile is killed as hung.
REST_SECONDS: Final = 5.0


@dataclass(slots=True)
class Slot:
    """The place of one worker.

    Attributes:
        sockets: the numbers of the sockets that belong to the place.
        worker: the worker of the place; None while there is none.
        successor: the worker that starts to replace it.
        failures: the number of its last workers that ended before they were ready.
        start_after: time.monotonic() before which no worker is started.
        restart: True if its worker is to be replaced by a new one.
    """

    sockets: Sequence[int]
    worker: WorkerProcess | None = None
    successor: WorkerProcess | None = None
    failures: int = 0
    start_after: float = 0.0
    restart: bool = False

    def wait_longer(self, now: float) -> None:
        """Count a failure; the next start waits twice as long as the one before."""
        self.failures += 1
        doubled = FIRST_BACKOFF_SECONDS * 2 ** min(self.failures, MOST_DOUBLINGS)
        self.start_after = now + min(doubled, LONGEST_BACKOFF_SECONDS)

    def rest(self, now: float) -> None:
        """Start no successor for some time: the last one became ready, and the worker did not need it."""
        self.failures, self.start_after = 0, now + REST_SECONDS
