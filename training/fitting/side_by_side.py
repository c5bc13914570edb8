"""Fits several flows at the same time, a process of one thread each, and brings their states back.

Small flows are no faster with two threads than with one, so a second core is worth most where it fits a second flow.
If there are more flows than cores, all begin with a short trial, and as many of the best as there are cores go on.

Each process saves its state as a fit alone does, so an interrupted run resumes. A process starts as a copy of this one
(fork) and shares the memory of the rows. Where that is not possible, the flows are fitted in turn.

Reference: Jamieson and Talwalkar (2016), Non-stochastic best arm identification and hyperparameter optimization, sec. 3
(successive halving), arXiv:1502.07943.
"""

import math
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from time import monotonic
from typing import Final, Never

import torch
from tqdm.auto import tqdm

from diffeo.runtime.cores import usable_cores

from ..errors import FitError, ResumeError
from ..flows.flow import Flow
from . import checkpoint, fit
from .batches import FitRows
from .child import REPORT_SECONDS, Dropped, End, Entry, Note, Progress, Report, Trial, TrialEnd, fit_in_child
from .fit import FitState
from .interruption import FitInterrupted, stop_on_interrupt
from .plan import plan_fit
from .trainer import train

TRIAL: Final = 0.15  # share of the plan of a flow after which it is compared with the others
WAIT_SECONDS: Final = 0.2
OUT_OF_MEMORY: Final = -signal.SIGKILL


def train_all(entries: Sequence[Entry], rows: FitRows) -> list[FitState | None]:
    """The states of the fitted flows, in the order of the entries; None for one that failed or was worse in its trial.

    One entry alone is fitted in this process. The `threads` of the options are the processes at work at a time; None
    uses every core.

    Raises:
        ResumeError: there is no saved state to continue, or none has weights to publish.
        FitError: every fit failed; the error of the first.
        FitInterrupted: Ctrl-C; the states are saved.
    """
    is_short = any(entry.options.publish_best for entry in entries)
    if len(entries) > 1 and not is_short and can_fork(rows):
        return _in_processes(entries, rows)
    return _in_turn(entries, rows)


def can_fork(rows: FitRows) -> bool:
    """True where copies of this process can fit."""
    on_cpu = rows.validation.device.type == "cpu" and not torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return on_cpu and sys.platform == "linux"


def _in_turn(entries: Sequence[Entry], rows: FitRows) -> list[FitState | None]:
    """Each fit in this process, one after the other; they share a budget."""
    states: list[FitState | None] = []
    errors: list[BaseException] = []
    for number, entry in enumerate(entries):
        settings, options = entry.settings, entry.options
        if settings.budget is not None and number:
            left = settings.budget - (options.clock() - options.started)
            settings = settings.model_copy(update={"budget": max(1.0, left)})
            options = replace(options, started=options.clock())
        if settings.budget is not None:
            settings = settings.model_copy(update={"budget": settings.budget / (len(entries) - number)})
        try:
            states.append(train(entry.flow, rows, settings, options))
        except (FitError, ResumeError) as error:
            states.append(None)
            errors.append(error)
    return _states_or_error(states, errors)


def _states_or_error(states: list[FitState | None], errors: Sequence[BaseException]) -> list[FitState | None]:
    if all(state is None for state in states):
        raise errors[0]
    return states


def _in_processes(entries: Sequence[Entry], rows: FitRows) -> list[FitState | None]:
    for entry in entries:
        _compile(entry.flow, rows)
    cores = entries[0].options.threads or usable_cores()
    share = TRIAL if len(entries) > cores else 1.0
    planned = [_with_active_budget(entry, _active_share(len(entries), cores, share)) for entry in entries]
    contest = _Contest(planned, rows, cores, share)
    with stop_on_interrupt() as request:
        try:
            while not contest.is_over:
                if request():
                    contest.interrupt()
                contest.advance()
        except BaseException:
            contest.kill()
            raise
    return _states(planned, contest.children, rows)


class _Contest:
    """The processes of all entries, at most one for each core at work.

    Attributes:
        children: those that were started, in the order of the entries.
    """

    def __init__(self, entries: Sequence[Entry], rows: FitRows, cores: int, share: float) -> None:
        self.children: list[_Child] = []
        self._entries = [*entries]
        self._rows = rows
        self._cores = cores
        self._share = share
        self._begun = monotonic()

    @property
    def is_over(self) -> bool:
        """Every process ended, and none waits for its start."""
        return not self._waiting and all(child.end is not None for child in self.children)

    def advance(self) -> None:
        """Start processes on free cores, compare the flows when all trials are over, and take reports."""
        while self._waiting and self._busy < self._cores:
            trial = Trial(self._share, monotonic() - self._begun)
            self.children.append(_Child(self._waiting[0], self._rows, trial, len(self.children)))
        if not self._busy:
            _judge(self.children, self._cores)
        ready = wait([child.pipe for child in self.children if child.end is None], WAIT_SECONDS)
        for child in self.children:
            if child.pipe in ready:
                child.receive()

    def interrupt(self) -> None:
        """Ask every process to save its state and to end, and start no other."""
        del self._entries[len(self.children) :]
        for child in self.children:
            child.interrupt()

    def kill(self) -> None:
        """End every process at once."""
        for child in self.children:
            child.kill()

    @property
    def _waiting(self) -> Sequence[Entry]:
        return self._entries[len(self.children) :]

    @property
    def _busy(self) -> int:
        return sum(child.is_busy for child in self.children)


def _active_share(entries: int, cores: int, trial: float) -> float:
    """The share of the time left for which the fits that go on are active: the trials of the others take the rest.

    >>> _active_share(2, 2, 1.0), round(_active_share(3, 2, 0.15), 2)
    (1.0, 0.93)
    """
    if entries <= cores:
        return 1.0
    return cores / (entries * trial + cores * (1 - trial))


def _with_active_budget(entry: Entry, share: float) -> Entry:
    if entry.settings.budget is None or share == 1:
        return entry
    used = entry.options.clock() - entry.options.started
    budget = used + share * max(0.0, entry.settings.budget - used)
    return replace(entry, settings=entry.settings.model_copy(update={"budget": budget}))


def _judge(children: Sequence["_Child"], cores: int) -> None:
    """Let the best of the flows that wait go on, and end the others."""
    waiting = [child for child in children if child.trial is not None]
    waiting.sort(key=lambda child: child.loss)
    for place, child in enumerate(waiting):
        child.answer(goes_on=place < cores)


class _Child:
    """The parent's side of one process.

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
        self._process = ForkProcess(target=fit_in_child, args=(entry, rows, other, trial), daemon=True)
        with warnings.catch_warnings():
            # Python warns of forks beside threads. The copy uses no thread and no lock of this process.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()
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


def _states(entries: Sequence[Entry], children: Sequence[_Child], rows: FitRows) -> list[FitState | None]:
    """The saved states of the processes that ended well.

    Raises:
        FitInterrupted: a process was stopped by Ctrl-C.
        FitError: none ended well; the error of the first. Errors of other kinds are raised as they are.
    """
    errors = [None if child.end is None else child.end.error for child in children]
    interruptions = [error for error in errors if isinstance(error, FitInterrupted)]
    if interruptions or len(children) < len(entries):
        sentence = "; ".join(map(str, interruptions)) or "interrupted before the first step"
        raise FitInterrupted(sentence, has_best=any(each.has_best for each in interruptions))
    states: list[FitState | None] = []
    for child, error in zip(children, errors, strict=True):
        if error is not None and not isinstance(error, FitError | ResumeError | Dropped):
            raise error
        if isinstance(error, FitError | ResumeError):
            child.entry.options.note(f"{child.entry.name}: {error}")
        states.append(_loaded(child.entry, rows) if error is None else None)
    return _states_or_error(states, [error for error in errors if isinstance(error, FitError | ResumeError)])


def _loaded(entry: Entry, rows: FitRows) -> FitState:
    """The state that the process of an entry saved."""
    plan = plan_fit(entry.settings, rows.train.count, rows.validation.shape[1])
    state = fit.start(entry.flow, entry.settings, plan)
    checkpoint.load_state(state, entry.options.folder, entry.options.digest)
    return state


def _compile(flow: Flow, rows: FitRows) -> None:
    """Compute one loss with its gradient, so that compiled code is there before the processes start."""
    if not any(parameter.requires_grad for parameter in flow.parameters()):
        return  # the fit says so
    flow.train()
    flow.log_prob(rows.validation[:1]).sum().backward()  # type: ignore[no-untyped-call]  # torch leaves backward untyped
    flow.zero_grad()
    flow.eval()


def _died(name: str, code: int | None) -> FitError:
    reason = "it may have needed more memory than there is" if code == OUT_OF_MEMORY else "see the messages above"
    return FitError(f"the process that fitted {name} ended with code {code}; {reason}")
