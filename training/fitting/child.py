"""A process that fits one flow and reports to its parent: progress, notes, the loss of its trial, and its end."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from time import monotonic
from typing import Final, NoReturn

import torch

from ..flows.flow import Flow
from ..recipe import FitSection
from .batches import FitRows
from .evaluation import Evaluation
from .plan import Plan
from .trainer import TrainerOptions, train

REPORT_SECONDS: Final = 0.5  # between two reports of progress


@dataclass(frozen=True, slots=True)
class Entry:
    """A flow to fit.

    Attributes:
        name: what it is, in words for the terminal and the report: "affine couplings".
        flow: fresh.
        settings: its optimisation.
        options: how it is fitted; the folder is its own.
    """

    name: str
    flow: Flow
    settings: FitSection
    options: TrainerOptions


@dataclass(frozen=True, slots=True)
class Progress:
    """Steps done and to do, the loss of the last step, and the validation loss of the last evaluation."""

    done: int
    total: int
    loss: float
    validation: float


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence for the terminal."""

    sentence: str


@dataclass(frozen=True, slots=True)
class TrialEnd:
    """The trial is over; the process waits for True (go on) or False (end)."""

    step: int
    validation: float


@dataclass(frozen=True, slots=True)
class End:
    """The end of a process. Without an error the state is saved."""

    error: BaseException | None = None


class Dropped(Exception):
    """The parent ended this fit after its trial."""


Report = Progress | Note | TrialEnd | End


@dataclass(frozen=True, slots=True)
class Trial:
    """When a fit stops to be compared with the others.

    Attributes:
        share: of its plan, 0 to 1; 1 for no trial.
        waited: seconds for which the process waited for a core before its start; they do not count for its budget.
    """

    share: float = 1.0
    waited: float = 0.0


def fit_in_child(entry: Entry, rows: FitRows, pipe: Connection, trial: Trial) -> None:
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
