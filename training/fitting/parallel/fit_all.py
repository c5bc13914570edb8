"""Fits several flows at the same time, a process of one thread each, and brings their states back.

Small flows are no faster with two threads than with one, so a second core is worth most where it fits a second flow.
All flows begin with a short trial, and the best go on, one for two cores: cores often share their arithmetic in pairs,
and then a flow takes nearly twice as many steps in the same time if it has a pair for itself.

Each process saves its state as a fit alone does, so an interrupted run resumes. A process starts as a copy of this one
(fork) and shares the memory of the rows. Where that is not possible, the flows are fitted in turn.

Reference: Jamieson and Talwalkar (2016), Non-stochastic best arm identification and hyperparameter optimization, sec. 3
(successive halving), arXiv:1502.07943.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from diffeo.runtime.cores import usable_cores

from ...background import can_fork
from ...errors import FitError, ResumeError
from .. import checkpoint, fit
from ..batches import FitRows
from ..fit import FitState
from ..interruption import FitInterrupted, stop_on_interrupt
from ..plan import plan_fit
from ..trainer import train
from .process import FitProcess
from .processes import FitProcesses, Places
from .reports import Dropped, Entry

TRIAL: Final = 0.15  # share of the plan of a flow after which it is compared with the others
CORES_OF_FLOW: Final = 2  # after the trial


def fit_all(entries: Sequence[Entry], rows: FitRows) -> list[FitState | None]:
    """The states of the fitted flows, in the order of the entries; None for one that failed or was worse in its trial.

    One entry alone is fitted in this process. The `threads` of the options are the processes at work at a time; None
    uses every core.

    Raises:
        ResumeError: there is no saved state to continue, or none has weights to publish.
        FitError: every fit failed; the error of the first.
        FitInterrupted: Ctrl-C; the states are saved.
    """
    entries = [_begun(entry, entries) for entry in entries]
    is_short = any(entry.options.publish_best for entry in entries)
    if len(entries) > 1 and not is_short and rows.validation.device.type == "cpu" and can_fork():
        return _in_processes(entries, rows)
    return _in_turn(entries, rows)


def _begun(entry: Entry, entries: Sequence[Entry]) -> Entry:
    """The entry; it begins anew where it has nothing to continue and others have, as after an early Ctrl-C."""
    begun = [_has_state(each) for each in entries]
    if any(begun) and entry.options.resume and not entry.options.publish_best and not _has_state(entry):
        return replace(entry, options=replace(entry.options, resume=False))
    return entry


def _has_state(entry: Entry) -> bool:
    return (entry.options.folder / checkpoint.STATE).is_file()


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
        _compile(entry, rows)
    cores = entries[0].options.threads or usable_cores()
    kept = max(1, cores // CORES_OF_FLOW)
    share = TRIAL if len(entries) > kept else 1.0
    planned = [_with_active_budget(entry, _active_share(len(entries), cores, share)) for entry in entries]
    processes = FitProcesses(planned, rows, Places(cores, kept), share)
    with stop_on_interrupt() as request:
        try:
            while not processes.is_over:
                if request():
                    processes.interrupt()
                processes.advance()
        except BaseException:
            processes.kill()
            raise
    return _states(planned, processes.started, rows)


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


def _states(entries: Sequence[Entry], processes: Sequence[FitProcess], rows: FitRows) -> list[FitState | None]:
    """The saved states of the processes that ended well.

    Raises:
        FitInterrupted: a process was stopped by Ctrl-C.
        FitError: none ended well; the error of the first. Errors of other kinds are raised as they are.
    """
    errors = [None if process.end is None else process.end.error for process in processes]
    interruptions = [error for error in errors if isinstance(error, FitInterrupted)]
    if interruptions or len(processes) < len(entries):
        sentence = "; ".join(map(str, interruptions)) or "interrupted before the first step"
        raise FitInterrupted(sentence, has_best=any(each.has_best for each in interruptions))
    states: list[FitState | None] = []
    for process, error in zip(processes, errors, strict=True):
        if error is not None and not isinstance(error, FitError | ResumeError | Dropped):
            raise error
        if isinstance(error, FitError | ResumeError):
            process.entry.options.note(f"{process.entry.name}: {error}")
        states.append(_loaded(process.entry, rows) if error is None else None)
    return _states_or_error(states, [error for error in errors if isinstance(error, FitError | ResumeError)])


def _loaded(entry: Entry, rows: FitRows) -> FitState:
    """The state that the process of an entry saved."""
    plan = plan_fit(entry.settings, rows.train.count, rows.validation.shape[1])
    state = fit.start(entry.flow, entry.settings, plan)
    checkpoint.load_state(state, entry.options.folder, entry.options.digest)
    return state


def _compile(entry: Entry, rows: FitRows) -> None:
    """Compute one loss with its gradient, so that compiled code is there before the processes start."""
    if not any(parameter.requires_grad for parameter in entry.flow.parameters()):
        return  # the fit says so
    flow = copy.deepcopy(entry.flow)
    # The first optimiser of a process imports torch's compiler, which takes two seconds.
    fit.start(flow, entry.settings, plan_fit(entry.settings, rows.train.count, rows.validation.shape[1]))
    flow.log_prob(rows.validation[:1]).sum().backward()  # type: ignore[no-untyped-call]  # torch leaves backward untyped
