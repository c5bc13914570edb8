"""`FitProcess`: the parent's side of one process that fits a flow."""

import math
import multiprocessing
import os
import signal
from typing import Final, Never

from tqdm.auto import tqdm

from ...background import forked
from ...errors import FitError
from ..batches import FitRows
from .reports import End, Entry, Note, Progress, Report, Trial, TrialEnd
from .worker import REPORT_SECONDS, fit_in_worker

OUT_OF_MEMORY: Final = -signal.SIGKILL


class FitProcess:
    """One process. It is a copy of this one (fork) and shares the memory of the rows.

    Attributes:
        entry: what it fits.
        pipe: to it.
        end: its last report; None while it lives.
        trial: its report at the end of the trial, while it waits for an answer.
    """

    def __init__(self, entry: Entry, rows: FitRows, trial: Trial, position: int) -> None:
        self.entry = entry
        self.end: End | None = None
        self.trial: TrialEnd | None = None
        self.pipe, other = multiprocessing.Pipe()
        self._asked_to_end = False
        self._process = forked(fit_in_worker, entry, rows, other, trial)
        other.close()
        self._bar = _bar(f"fit {entry.options.name}, {entry.name}", position, shown=entry.options.shows_progress)

    @property
    def is_busy(self) -> bool:
        """It uses a core."""
        return self.end is None and self.trial is None

    @property
    def loss(self) -> float:
        """The validation loss at the end of its trial; infinite if it is not a number."""
        return math.inf if self.trial is None or math.isnan(self.trial.validation) else self.trial.validation

    def receive(self) -> None:
        """Take one report."""
        try:
            report: Report = self.pipe.recv()
        except EOFError:
            self._process.join()
            report = End(_died(self.entry.name, self._process.exitcode))
        if isinstance(report, Progress):
            self._bar.total = report.total
            self._bar.set_postfix_str(f"loss {report.loss:.4f}, validation {report.validation:.4f}", refresh=False)
            self._bar.update(report.done - self._bar.n)
        elif isinstance(report, Note):
            self.entry.options.note(f"{self.entry.name}: {report.sentence}")
        elif isinstance(report, TrialEnd):
            self.trial = report
        else:
            self.end = report
            self._bar.close()
            self._process.join()

    def answer(self, *, goes_on: bool) -> None:
        """Let a process that waits go on, or end it."""
        if self.trial is not None and not goes_on:
            step, loss = self.trial.step, self.trial.validation
            self.entry.options.note(
                f"{self.entry.name}: ended after a trial of {step:,} steps, {loss:.4f} nats on the validation rows; "
                "others were better"
            )
        self.trial = None
        self.pipe.send(goes_on)

    def interrupt(self) -> None:
        """Ask the process, once, to save its state and to end."""
        if self.end is None and not self._asked_to_end and self._process.pid is not None:
            self._asked_to_end = True
            os.kill(self._process.pid, signal.SIGINT)
            if self.trial is not None:
                self.answer(goes_on=True)

    def kill(self) -> None:
        """End the process at once."""
        self._bar.close()
        self._process.kill()
        self._process.join()


def _bar(text: str, position: int, *, shown: bool) -> "tqdm[Never]":
    layout = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} steps, {rate_fmt}, {remaining} left, {postfix}"
    return tqdm(
        total=1,
        desc=text,
        unit="step",
        position=position,
        mininterval=REPORT_SECONDS,
        smoothing=0.02,
        bar_format=layout,
        disable=not shown,
    )


def _died(name: str, code: int | None) -> FitError:
    reason = "it may have needed more memory than there is" if code == OUT_OF_MEMORY else "see the messages above"
    return FitError(f"the process that fitted {name} ended with code {code}; {reason}")
