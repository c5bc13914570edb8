"""A process that fits one flow and reports to its parent: progress, notes, the loss of its trial, and its end."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from time import monotonic
from typing import Final, NoReturn

import torch

from ..batches import FitRows
from ..evaluation import Evaluation
from ..plan import Plan
from ..trainer import train
from .reports import Dropped, End, Entry, Note, Progress, Report, Trial, TrialEnd

REPORT_SECONDS: Final = 0.5  # between two reports of progress


def fit_in_worker(entry: Entry, rows: FitRows, pipe: Connection, trial: Trial) -> None:
    """Fit the flow of an entry, and report to the other end of the pipe; the target of a forked process."""
    # A terminal sends Ctrl-C to a whole group of processes. The parent receives it and passes it on, once.
    os.setsid()
    # The threads of the parent's OpenMP do not exist in a copy of it.
    torch.set_num_threads(1)
    reporter = _Reporter(pipe, os.getppid(), trial)
    options = replace(
        entry.options,
        threads=1,
        note=lambda sentence: reporter.send(Note(sentence)),
        progress=reporter.progress,
        clock=_clock_without(entry.options.clock, reporter),
    )
    try:
        train(entry.flow, rows, entry.settings, options)
    except BaseException as error:  # noqa: BLE001  (the parent raises it)
        reporter.send(End(error))
    else:
        reporter.send(End())
    pipe.close()


def _clock_without(clock: Callable[[], float], reporter: "_Reporter") -> Callable[[], float]:
    return lambda: clock() - reporter.waited


class _Reporter:
    """Takes the place of a progress bar. A process whose parent is gone ends at its next report.

    Attributes:
        waited: seconds in which the fit waited for its parent.
    """

    def __init__(self, pipe: Connection, parent: int, trial: Trial) -> None:
        self.waited = trial.waited
        self._pipe = pipe
        self._parent = parent
        self._trial = trial.share
        self._plan: Plan | None = None
        self._validation = float("nan")
        self._last = 0.0

    def send(self, report: Report) -> None:
        """Send one report."""
        try:
            self._pipe.send(report)
        except OSError:
            _leave()

    @contextmanager
    def progress(self, _name: str, plan: Plan, _done: int) -> Iterator["_Reporter"]:
        """Report from now on; `diffeo.training.fitting.progress.progress` shows a bar in its place."""
        self._plan = plan
        yield self

    def on_step(self, step: int, loss: float) -> None:
        """Report a step, at most twice a second."""
        if self._plan is None or monotonic() - self._last < REPORT_SECONDS:
            return
        self._last = monotonic()
        if os.getppid() != self._parent:
            _leave()
        self.send(Progress(step, self._plan.steps, loss, self._validation))

    def on_evaluation(self, record: Evaluation, plan: Plan) -> None:
        """Keep the loss for the next report; at the end of the trial, wait for the word of the parent.

        Raises:
            Dropped: other flows are better.
        """
        self._validation, self._plan = record.validation_nll, plan
        if plan.progress(record.step) < self._trial:
            return
        self._trial = 1.0
        if record.step >= plan.steps:
            return
        before = monotonic()
        self.send(TrialEnd(record.step, record.validation_nll))
        try:
            goes_on = bool(self._pipe.recv())
        except (EOFError, OSError):
            _leave()
        self.waited += monotonic() - before
        if not goes_on:
            raise Dropped


def _leave() -> NoReturn:
    os._exit(1)
