"""`FitProcesses`: the processes of all flows, at most one for each core at work, and which go on after the trials."""

from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from time import monotonic
from typing import Final

from ..batches import FitRows
from .process import FitProcess
from .reports import Entry, Trial

WAIT_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Places:
    """How many processes are at work at a time, and how many go on after the trials."""

    at_work: int
    kept: int


class FitProcesses:
    """The processes of all entries.

    Attributes:
        started: those that were started, in the order of the entries.
    """

    def __init__(self, entries: Sequence[Entry], rows: FitRows, places: Places, share: float) -> None:
        self.started: list[FitProcess] = []
        self._entries = [*entries]
        self._rows = rows
        self._places = places
        self._share = share
        self._begun = monotonic()

    @property
    def is_over(self) -> bool:
        """Every process ended, and none waits for its start."""
        return not self._waiting and all(process.end is not None for process in self.started)

    def advance(self) -> None:
        """Start processes on free cores, compare the flows when all trials are over, and take reports."""
        while self._waiting and self._busy < self._places.at_work:
            trial = Trial(self._share, monotonic() - self._begun)
            self.started.append(FitProcess(self._waiting[0], self._rows, trial, len(self.started)))
        if not self._busy:
            _compare(self.started, self._places.kept)
        ready = wait([process.pipe for process in self.started if process.end is None], WAIT_SECONDS)
        for process in self.started:
            if process.pipe in ready:
                process.receive()

    def interrupt(self) -> None:
        """Ask every process to save its state and to end, and start no other."""
        del self._entries[len(self.started) :]
        for process in self.started:
            process.interrupt()

    def kill(self) -> None:
        """End every process at once."""
        for process in self.started:
            process.kill()

    @property
    def _waiting(self) -> Sequence[Entry]:
        return self._entries[len(self.started) :]

    @property
    def _busy(self) -> int:
        return sum(process.is_busy for process in self.started)


def _compare(started: Sequence[FitProcess], kept: int) -> None:
    """Let the best of the flows that wait go on, and end the others."""
    waiting = [process for process in started if process.trial is not None]
    waiting.sort(key=lambda process: process.loss)
    for place, process in enumerate(waiting):
        process.answer(goes_on=place < kept)
