"""The plan of a fit: its number of steps, its learning rate, its evaluations, and when it may end early."""

import math
from dataclasses import dataclass, replace
from typing import Final, Self

from ..recipe import FitSection
from ..split import MOST_VALIDATION_ROWS

FIRST_EVALUATION: Final = 50  # steps; a pass over a small table is too short to judge the weights
EVALUATIONS: Final = 40  # at least so many in a fit whose passes are long
SHORTEST: Final = 200  # steps of a fit whose budget is too small for more
LEAST_PATIENCE: Final = 1_000  # steps: twice the memory of the averaged weights
# An evaluated row costs a third of a trained row, and evaluations should take less than a tenth of the time.
EVALUATION_SHARE: Final = 10 / 3


@dataclass(frozen=True, slots=True)
class Plan:
    """When a fit of `steps` optimiser steps warms up, evaluates and ends; a checkpoint keeps it.

    Attributes:
        steps: of the whole fit.
        warm_up: steps in which the learning rate rises; the fit never ends before.
        interval: steps between two evaluations.
        patience: steps without a better validation loss before the fit ends; 0 never ends it early.
        ramp: evaluate after 50, 100, 200, ... steps until the interval is reached.
        since: the step at which the plan was last revised.
        progress_then: the progress along the cosine at that step, 0 to 1.
    """

    steps: int
    warm_up: int
    interval: int
    patience: int
    ramp: bool = False
    since: int = 0
    progress_then: float = 0.0

    def progress(self, step: int) -> float:
        """The share of the cosine that lies behind a step: it grows evenly from `progress_then` to 1 at the end."""
        remaining = max(1, self.steps - self.since)
        return min(1.0, self.progress_then + (1 - self.progress_then) * (step - self.since) / remaining)

    def learning_rate(self, step: int, largest: float) -> float:
        """The learning rate of a step, counted from 0: a linear warm-up times half a cosine.

        largest * min(1, (step + 1) / warm_up) * (1 + cos(pi * progress)) / 2

        >>> plan = Plan(steps=100, warm_up=10, interval=10, patience=0)
        >>> [round(plan.learning_rate(step, 1.0), 2) for step in (0, 4, 9, 50, 99)]
        [0.1, 0.5, 0.98, 0.5, 0.0]

        Reference: Loshchilov and Hutter (2017), SGDR, eq. 5, arXiv:1608.03983.
        """
        warm = min(1.0, (step + 1) / max(1, self.warm_up))
        return largest * warm * 0.5 * (1 + math.cos(math.pi * self.progress(step)))

    def next_evaluation(self, step: int) -> int:
        """The number of steps after which the next evaluation comes.

        >>> plan = Plan(steps=1000, warm_up=10, interval=300, patience=0, ramp=True)
        >>> [plan.next_evaluation(step) for step in (0, 50, 60, 100, 200, 300, 600, 900)]
        [50, 100, 100, 200, 300, 600, 900, 1000]
        """
        after = (step // self.interval + 1) * self.interval
        if self.ramp and step < self.interval:
            ramp = FIRST_EVALUATION
            while ramp <= step:
                ramp *= 2
            after = ramp if ramp <= after - FIRST_EVALUATION else after
        return min(self.steps, after)

    def may_end(self, step: int, best_step: int) -> bool:
        """True when the warm-up is over and `patience` steps have brought no better validation loss."""
        return self.patience > 0 and step >= self.warm_up and step - best_step >= self.patience

    def revised(self, step: int, steps: int) -> Self:
        """The plan with another number of steps in all; the learning rate stays continuous.

        >>> plan = Plan(steps=100, warm_up=0, interval=10, patience=0).revised(50, steps=200)
        >>> plan.progress(50), plan.progress(125), plan.progress(200)
        (0.5, 0.75, 1.0)
        """
        return replace(self, steps=max(steps, step), since=step, progress_then=self.progress(step))


def plan_fit(settings: FitSection, rows: int, columns: int, budgeted: int | None = None) -> Plan:
    """The plan for a table; it depends on the recipe and the size of the table alone, unless a clock gave the steps.

    Args:
        settings: the optimisation.
        rows: training rows.
        columns: D.
        budgeted: steps that fit into the budget (`diffeo.training.fitting.budget`); None without a budget.
    """
    pass_steps = steps_of_pass(rows, settings.batch)
    if settings.epochs is not None:
        steps = settings.epochs * pass_steps
    else:
        steps = budgeted or settings.steps or default_steps(rows, columns)
    warm_up = settings.warm_up_steps if settings.warm_up_steps is not None else round(settings.warm_up * steps)
    interval = pass_steps if settings.epochs is not None else _interval(steps, pass_steps, rows, settings.batch)
    return Plan(steps, warm_up, interval, _patience(settings, steps, pass_steps), ramp=settings.epochs is None)


def steps_of_pass(rows: int, batch: int) -> int:
    """Optimiser steps of one pass over the rows; rows that do not fill a batch are spread over the others."""
    return max(1, rows // batch)


def default_steps(rows: int, columns: int) -> int:
    """The steps of a fit that names neither epochs nor steps nor a budget.

    It grows with the logarithm of the rows, because more rows need a finer fit but a small table is not worth a long
    one, and with the square root of the columns.

    >>> [default_steps(*size) for size in ((100, 2), (1_000, 4), (100_000, 4), (10_000_000, 10))]
    [1400, 2000, 8000, 22100]
    """
    by_rows = 2_000 + 3_000 * max(0.0, math.log10(rows / 1_000))
    by_columns = min(2.0, max(0.7, math.sqrt(columns / 4)))
    return 100 * round(by_rows * by_columns / 100)


def _interval(steps: int, pass_steps: int, rows: int, batch: int) -> int:
    # The validation rows are an eighth of the training rows (80 % and 10 % of the table).
    affordable = round(EVALUATION_SHARE * min(rows // 8, MOST_VALIDATION_ROWS) / batch)
    return max(FIRST_EVALUATION, affordable, min(pass_steps, steps // EVALUATIONS))


def _patience(settings: FitSection, steps: int, pass_steps: int) -> int:
    if settings.patience_steps is not None:
        return settings.patience_steps
    if settings.patience or settings.epochs is not None:
        return settings.patience * pass_steps
    return max(LEAST_PATIENCE, steps // 10)
