"""Compares a learning rate that is unusually high with lower ones, on weights that are thrown away.

A fit at such a rate often does not diverge but kills units in its first steps: its loss stays finite and poor, so no
rollback begins, and no lower rate later revives the units.
"""

import copy
import math
from typing import Final

from . import fit
from .batches import FitRows
from .fit import USUAL_RATE, FitState

STEP: Final = 0.2  # from one compared rate to the next
STEPS: Final = 100
WARM_UP: Final = 20
JUDGED: Final = 20  # the last steps, whose mean loss is compared


def best_rate(state: FitState, rows: FitRows) -> float:
    """The recipe's learning rate, or the lower one that has the lowest loss after a hundred steps from the fresh flow.

    The rates are the recipe's times 1, 1/5, 1/25, ... down to the first that is usual.

    Reference: Smith (2017), Cyclical learning rates for training neural networks, sec. 3.3, arXiv:1506.01186.
    """
    rates = [state.settings.learning_rate]
    while rates[-1] > USUAL_RATE:
        rates.append(STEP * rates[-1])
    return rates[0] if len(rates) == 1 else min(rates, key=lambda rate: _loss(state, rows, rate))


def _loss(state: FitState, rows: FitRows, rate: float) -> float:
    """Mean loss of the last steps at this rate, nats per row; infinite if one of them is not finite."""
    trial = fit.start(copy.deepcopy(state.flow), state.settings, state.plan)
    losses = []
    for step in range(STEPS):
        losses.append(fit.optimise(trial, rows.train.batch(step), rate * min(1.0, (step + 1) / WARM_UP)))
        trial.step += 1
    mean = sum(losses[-JUDGED:]) / JUDGED
    return mean if math.isfinite(mean) else math.inf
