"""Runs a fit to its end: chooses threads, plans the time, shows progress, saves the state and stops after Ctrl-C."""

import copy
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import torch

from .. import duration
from ..errors import FitError, ResumeError
from ..flows.flow import Flow
from ..recipe import FitSection
from . import checkpoint, fit, rate_trial
from .batches import FitRows
from .budget import Budget, reserve_seconds
from .evaluation import Evaluation
from .fit import FitState
from .interruption import FitInterrupted, stop_on_interrupt
from .plan import plan_fit
from .progress import Progress, ProgressMaker, progress
from .threads import ThreadChoice, candidates, choose_threads, thread_count

SAVE_SECONDS: Final = 5.0  # between two saved states: a save of a small fit takes as long as twenty steps
SLOWER: Final = 2.0  # steps that take so many times as long as measured: the threads are measured again


def print_note(sentence: str) -> None:
    """Print to standard error, where it does not mix with the result."""
    print(sentence, file=sys.stderr)  # noqa: T201


def print_nothing(_sentence: str) -> None:
    """Leave the sentence out, for a fit that is called from another program."""


@dataclass(frozen=True, slots=True)
class TrainerOptions:
    """How a fit is run, beside its recipe.

    Attributes:
        name: of the model, for the progress bar.
        folder: where the state is saved.
        digest: of recipe and data; a saved state with another digest is not resumed.
        resume: continue from the saved state.
        publish_best: take the best weights of the saved state, without further steps.
        threads: of the processor; None measures.
        layers: transforms of the longest flow that may be published; its publication needs a part of the budget.
        started: when the command began, on `clock`: the budget counts from there.
        note: prints a sentence about the fit.
        shows_progress: show a progress bar.
        progress: makes what shows the progress, from the name, the plan and the steps done; None makes a bar.
        clock: seconds.
    """

    name: str
    folder: Path
    digest: str
    resume: bool = False
    publish_best: bool = False
    threads: int | None = None
    layers: int = 0
    started: float = field(default_factory=time.monotonic)
    note: Callable[[str], None] = print_note
    shows_progress: bool = True
    progress: ProgressMaker | None = None
    clock: Callable[[], float] = time.monotonic


def train(flow: Flow, rows: FitRows, settings: FitSection, options: TrainerOptions) -> FitState:
    """Fit the flow, and save the state on the way.

    Raises:
        ResumeError: `resume` or `publish_best` is set, and no state of this recipe with these data was saved, or it has
            no evaluated weights to publish.
        FitError: the optimisation does not stay finite, or the budget leaves no time for a step.
        FitInterrupted: Ctrl-C; the state is saved.
    """
    state = fit.start(flow, settings, plan_fit(settings, rows.train.count, rows.validation.shape[1]))
    if options.resume or options.publish_best:
        threads = int(checkpoint.load_state(state, options.folder, options.digest).get("threads", 1))
        if options.publish_best:
            return _best_so_far(state, options)
        options.note(f"continues after step {state.step:,} of {state.plan.steps:,}")
        choice = ThreadChoice(options.threads or threads, {})
        return _run(state, rows, options, choice, None)
    choice = _choose(state, rows, options.threads)
    with thread_count(choice.threads):
        _lower_high_rate(state, rows, options)
    budget = _plan_by_clock(state, rows, options, choice)
    options.note(f"{_length(state, rows, budget)}; {choice}")
    return _run(state, rows, options, choice, budget)


def _best_so_far(state: FitState, options: TrainerOptions) -> FitState:
    if state.best_step == 0:
        raise ResumeError(
            f"the fit in {options.folder} has no weights yet that are better than those of a fresh flow; "
            "continue it with --resume and without --publish-best"
        )
    options.note(f"publishes the weights of step {state.best_step:,}, {state.best_nll:.4f} nats on the validation rows")
    return state


def _choose(state: FitState, rows: FitRows, threads: int | None) -> ThreadChoice:
    on_cpu = rows.validation.device.type == "cpu"
    measured = candidates() if on_cpu else (torch.get_num_threads(),)
    counts = measured if threads is None else (threads,)
    # Weights that are thrown away: the fit itself begins with its plan.
    scratch = fit.start(copy.deepcopy(state.flow), state.settings, state.plan)
    batch = rows.train.batch(state.step)
    return choose_threads(lambda: fit.optimise(scratch, batch, 0.0), counts)


def _lower_high_rate(state: FitState, rows: FitRows, options: TrainerOptions) -> None:
    rate = rate_trial.best_rate(state, rows)
    if rate < state.settings.learning_rate:
        state.slowdown = rate / state.settings.learning_rate
        options.note(
            f"fit.learning_rate {state.settings.learning_rate:g} is too high for this table: in a short trial "
            f"{rate:.2g} reached a lower loss, so the fit begins with it"
        )


def _plan_by_clock(state: FitState, rows: FitRows, options: TrainerOptions, choice: ThreadChoice) -> Budget | None:
    if state.settings.budget is None:
        return None
    reserve = reserve_seconds(state.settings.budget, max(options.layers, len(state.flow.transforms)))
    budget = Budget(state.settings.budget, reserve, options.started, options.clock)
    if budget.left() <= 0:
        raise FitError(
            f"--budget {duration.text(budget.seconds)}: reading the table took "
            f"{duration.text(options.clock() - options.started)}, and the publication needs about "
            f"{duration.text(reserve)}; give a longer budget"
        )
    size = rows.train.count, rows.validation.shape[1]
    with thread_count(choice.threads):
        before = time.perf_counter()
        rows.validation_nll(state.average)
        evaluation = time.perf_counter() - before
    # The interval depends on the number of steps, so the pace is computed with the interval of a first guess.
    guess = plan_fit(state.settings, *size, budget.steps(choice.step_seconds))
    state.plan = plan_fit(
        state.settings, *size, budget.steps(choice.step_seconds + evaluation / max(1, guess.interval))
    )
    return budget


def _length(state: FitState, rows: FitRows, budget: Budget | None) -> str:
    """How long the fit is, and why, for the line at its start."""
    steps, passes = state.plan.steps, state.plan.steps / rows.train.pass_steps
    reason = "for a table of this size"
    if budget is not None:
        reason = f"in {duration.text(max(0.0, budget.left()))} of a budget of {duration.text(budget.seconds)}"
    elif state.settings.epochs is not None or state.settings.steps is not None:
        reason = "as the recipe says"
    length = f"{steps:,} steps ({passes:,.3g} passes over {rows.train.count:,} rows) {reason}"
    if state.plan.patience:
        length += f", fewer if {state.plan.patience:,} steps bring no better validation loss"
    return length


def _run(
    state: FitState, rows: FitRows, options: TrainerOptions, choice: ThreadChoice, budget: Budget | None
) -> FitState:
    saved = -SAVE_SECONDS
    with (
        thread_count(choice.threads),
        stop_on_interrupt() as request,
        _progress(options, state) as bar,
    ):
        while not fit.finished(state):
            begun, before = time.perf_counter(), state.step
            record = fit.run_until_evaluation(state, rows, bar.on_step, lambda: request() or _is_over(budget))
            if request():
                break
            record = record or _end_now(state, rows)
            if budget is not None:
                state.plan = budget.revised(state.plan, state.step)
            bar.on_evaluation(record, state.plan)
            choice = _choose_again(state, rows, choice, (time.perf_counter() - begun) / max(1, state.step - before))
            if time.monotonic() - saved >= SAVE_SECONDS:
                _save(state, options, choice)
                saved = time.monotonic()
        _save(state, options, choice)
    if request():
        raise _interrupted(state, options)
    return state


def _progress(options: TrainerOptions, state: FitState) -> AbstractContextManager[Progress]:
    if options.progress is not None:
        return options.progress(options.name, state.plan, state.step)
    return progress(options.name, state.plan, state.step, shown=options.shows_progress)


def _is_over(budget: Budget | None) -> bool:
    return budget is not None and budget.left() <= 0


def _end_now(state: FitState, rows: FitRows) -> Evaluation:
    """The budget is used up before the next evaluation: the fit ends with this step."""
    state.plan = state.plan.revised(state.step, state.step)
    return fit.evaluate(state, rows)


def _choose_again(state: FitState, rows: FitRows, choice: ThreadChoice, seconds: float) -> ThreadChoice:
    """Measure the threads again if steps became slow: another process may have taken a core."""
    if choice.threads == 1 or not choice.seconds or seconds < SLOWER * choice.step_seconds:
        return choice
    again = _choose(state, rows, None)
    torch.set_num_threads(again.threads)
    return again


def _save(state: FitState, options: TrainerOptions, choice: ThreadChoice) -> None:
    checkpoint.save_state(state, options.folder, options.digest, {"threads": choice.threads})


def _interrupted(state: FitState, options: TrainerOptions) -> FitInterrupted:
    sentence = f"interrupted after step {state.step:,} of {state.plan.steps:,}"
    has_best = state.best_step > 0
    if has_best:
        sentence += f"; the best validation loss so far is {state.best_nll:.4f} nats, of step {state.best_step:,}"
    return FitInterrupted(f"{sentence}; the state is saved in {options.folder}", has_best=has_best)
