"""The progress bar of a fit: steps, time left, loss of the last step, validation loss of the last evaluation."""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Never, Protocol

from tqdm.auto import tqdm  # a bar of a terminal, or of a notebook

from .evaluation import Evaluation
from .plan import Plan


class Progress(Protocol):
    """Takes note of the progress of a fit."""

    def on_step(self, step: int, loss: float) -> None:
        """The loss after `step` steps; a `diffeo.training.fitting.fit.StepCallback`."""

    def on_evaluation(self, record: Evaluation, plan: Plan) -> None:
        """The last evaluation, and the plan from now on."""


ProgressMaker = Callable[[str, Plan, int], AbstractContextManager[Progress]]


class ProgressBar:
    """Shows the progress of a fit."""

    def __init__(self, bar: "tqdm[Never]") -> None:
        self._bar = bar
        self._validation = "-"

    def on_step(self, step: int, loss: float) -> None:
        """Show the loss after `step` steps; a `diffeo.training.fitting.fit.StepCallback`."""
        shown = f"loss {loss:.4f}, validation {self._validation}" if math.isfinite(loss) else "loss is not finite"
        self._bar.set_postfix_str(shown, refresh=False)
        self._bar.update(step - self._bar.n)

    def on_evaluation(self, record: Evaluation, plan: Plan) -> None:
        """Show the validation loss from the next step on, and the end of a revised plan."""
        self._validation = f"{record.validation_nll:.4f}"
        self._bar.total = plan.steps


@contextmanager
def progress(name: str, plan: Plan, done: int, *, shown: bool = True) -> Iterator[ProgressBar]:
    """A bar over all steps of a plan with `done` steps behind it.

    A fit with patience may end before its last step, so its bar says "at most" before the time left.
    """
    most = "at most " if plan.patience else ""
    layout = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} steps, "
    layout += f"{{rate_fmt}}, {most}{{remaining}} left, {{postfix}}"
    # Little smoothing: the time left follows the mean pace, in which evaluations have their share.
    with tqdm(
        total=plan.steps,
        initial=done,
        desc=f"fit {name}",
        unit="step",
        mininterval=0.5,
        smoothing=0.02,
        bar_format=layout,
        disable=not shown,
    ) as bar:
        yield ProgressBar(bar)
