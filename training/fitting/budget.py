"""A budget of seconds for a whole fit: how many steps fit into it, and how the plan follows the clock."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .plan import SHORTEST, Plan

Clock = Callable[[], float]  # seconds, as time.monotonic

# Seconds that export, certificate and report take: a part for every command, and a part for each layer of the flow.
PUBLISH_SECONDS: Final = 16.0
PUBLISH_SECONDS_PER_LAYER: Final = 1.0
LARGEST_RESERVE: Final = 0.42  # share of the budget
OFF_PLAN: Final = 0.03  # the plan is revised when its end is off by more than this share of the time left


@dataclass(slots=True)
class Budget:
    """Seconds for a whole fit, from its start to its published bundle.

    Attributes:
        seconds: the budget.
        reserve: seconds of it for export, certificate and report.
        started: when the fit began, on `clock`.
        clock: the time.
        pace: seconds of a step with its share of the evaluations; later intervals replace half of it each.
        seen: the time and the number of steps done when the pace was last measured.
    """

    seconds: float
    reserve: float
    started: float
    clock: Clock = time.monotonic
    pace: float = 0.0
    seen: tuple[float, int] = (0.0, 0)

    def left(self) -> float:
        """Seconds left for steps and evaluations."""
        return self.seconds - self.reserve - (self.clock() - self.started)

    def steps(self, pace: float) -> int:
        """Begin at this pace, in seconds per step; returns how many steps fit into the time left.

        >>> Budget(seconds=100.0, reserve=10.0, started=0.0, clock=lambda: 0.0).steps(0.015)
        6000
        """
        self.pace, self.seen = pace, (self.clock(), 0)
        return max(SHORTEST, int(self.left() / pace))

    def revised(self, plan: Plan, step: int) -> Plan:
        """The plan that ends when the budget does, at the pace so far; the same plan if it already nearly does.

        Args:
            plan: the plan so far.
            step: steps done.
        """
        now, (then, done) = self.clock(), self.seen
        if step > done:
            self.pace = 0.5 * self.pace + 0.5 * (now - then) / (step - done)
            self.seen = now, step
        left = max(0.0, self.left())
        if abs((plan.steps - step) * self.pace - left) <= max(OFF_PLAN * left, self.pace):
            return plan
        return plan.revised(step, step + int(left / self.pace))


def reserve_seconds(budget: float, layers: int) -> float:
    """Seconds of a budget that are kept for export, certificate and report of a flow with so many layers.

    >>> reserve_seconds(120.0, layers=8), reserve_seconds(10.0, layers=8)
    (24.0, 4.2)
    """
    return min(PUBLISH_SECONDS + PUBLISH_SECONDS_PER_LAYER * layers, LARGEST_RESERVE * budget)
