"""Fits a flow by maximum likelihood, one epoch at a time, and keeps the best weights.

The order of the rows depends on seed and epoch alone, and each epoch starts from saved state. So a fit that was
interrupted and resumed ends with the same weights as a fit without interruption.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor
from torch.optim import AdamW

from .errors import FitError
from .flows.flow import Flow
from .recipe import FitSection

# A single step that is not finite happens by chance. Ten in a row mean that the learning rate is too high, and no later
# step corrects that.
SKIPPED_IN_A_ROW: Final = 10
ROLLBACK_RATE: Final = 0.7  # the learning rate is multiplied by this after each rollback
VALIDATION_BLOCK: Final = 8192


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """Losses of one epoch, in nats per row; loss.csv and the checkpoint keep one record an epoch.

    Attributes:
        epoch: counted from 1.
        train_nll: mean over the steps of the epoch.
        validation_nll: of the averaged weights, at the end of the epoch.
        skipped: steps whose loss or gradient was not finite.
        rollback: the fit returned to its best weights after this epoch.
    """

    epoch: int
    train_nll: float
    validation_nll: float
    skipped: int
    rollback: bool


@dataclass(slots=True)
class FitState:
    """All that a fit needs to continue.

    Attributes:
        flow: the weights that the optimiser changes.
        average: exponential moving average of these weights.
        best: the averaged weights of the epoch with the lowest validation loss.
        optimiser: AdamW with its moments.
        records: one record for each finished epoch.
    """

    flow: Flow
    average: Flow
    best: Flow
    optimiser: AdamW
    records: list[EpochRecord]

    @property
    def best_epoch(self) -> EpochRecord | None:
        """The record of the epoch with the lowest validation loss so far."""
        return min(self.records, key=lambda record: record.validation_nll, default=None)


ProgressCallback = Callable[[int, float], None]  # (steps done, loss of the last step)


def start(flow: Flow, settings: FitSection) -> FitState:
    """The state before the first epoch."""
    return FitState(flow, _without_gradients(flow), _without_gradients(flow), _optimiser(flow, settings), [])


def run_epoch(
    state: FitState, train: Tensor, validation: Tensor, settings: FitSection, on_step: ProgressCallback
) -> EpochRecord:
    """Run one epoch and append its record to the state.

    Args:
        state: changed in place.
        train: rows [rows, D] in the units and the type that the flow takes.
        validation: rows [rows, D], likewise.
        settings: the optimisation.
        on_step: called after each step.

    Raises:
        FitError: ten steps in a row were not finite.
    """
    number = len(state.records)
    steps = steps_per_epoch(len(train), settings)
    slower = ROLLBACK_RATE ** sum(record.rollback for record in state.records)
    losses, skipped, in_a_row = 0.0, 0, 0
    for index, rows in enumerate(_batches(train, settings, number)):
        step = number * steps + index
        rate = slower * learning_rate(step, settings.epochs * steps, settings)
        loss = _step(state, train[rows], step, rate, settings)
        if math.isfinite(loss):
            losses, in_a_row = losses + loss, 0
        else:
            skipped, in_a_row = skipped + 1, in_a_row + 1
        if in_a_row == SKIPPED_IN_A_ROW:
            raise FitError(
                f"{in_a_row} steps in a row were not finite at epoch {number + 1}; lower fit.learning_rate (now "
                f"{settings.learning_rate:g}) or flow.limit"
            )
        on_step(step + 1, loss)
    mean = losses / max(1, steps - skipped)
    record = EpochRecord(number + 1, mean, mean_nll(state.average, validation), skipped, rollback=False)
    return _keep_best_or_roll_back(state, record, settings)


def _keep_best_or_roll_back(state: FitState, record: EpochRecord, settings: FitSection) -> EpochRecord:
    """Keep the best weights; return to them with fresh moments and a lower rate when the loss has risen too far."""
    best = state.best_epoch
    if best is None or record.validation_nll < best.validation_nll:
        state.best.load_state_dict(state.average.state_dict())
    # Not `>`: a validation loss of NaN must cause a rollback too.
    elif not record.validation_nll <= best.validation_nll + settings.rollback:
        record = replace(record, rollback=True)
        state.flow.load_state_dict(state.best.state_dict())
        state.average.load_state_dict(state.best.state_dict())
        state.optimiser = _optimiser(state.flow, settings)
    state.records.append(record)
    return record


def finished(state: FitState, settings: FitSection) -> bool:
    """True after the last epoch, or after `patience` epochs without a better validation loss (0: never early)."""
    done = len(state.records)
    best = state.best_epoch
    waited = done - best.epoch if best is not None else 0
    return done >= settings.epochs or (settings.patience > 0 and waited >= settings.patience)


def steps_per_epoch(rows: int, settings: FitSection) -> int:
    """Optimiser steps per epoch; rows that do not fill a batch are spread over the others."""
    return max(1, rows // settings.batch)


def mean_nll(flow: Flow, rows: Tensor) -> float:
    """Mean of -log p over the rows [rows, D], nats."""
    with torch.no_grad():
        total = sum(float(flow.log_prob(block).double().sum()) for block in torch.split(rows, VALIDATION_BLOCK))
    return -total / len(rows)


def _batches(train: Tensor, settings: FitSection, epoch: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed((settings.seed << 20) + epoch)
    order = torch.randperm(len(train), generator=generator).to(train.device)
    return list(torch.tensor_split(order, steps_per_epoch(len(train), settings)))


def _step(state: FitState, x: Tensor, step: int, rate: float, settings: FitSection) -> float:
    for group in state.optimiser.param_groups:
        group["lr"] = rate
    state.optimiser.zero_grad(set_to_none=True)
    loss = -state.flow.log_prob(x).mean()
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves backward untyped
    norm = float(torch.nn.utils.get_total_norm([p.grad for p in state.flow.parameters() if p.grad is not None]))
    value = float(loss.detach()) + 0 * norm  # not finite when either is
    if math.isfinite(value):
        if norm > settings.clip:  # wide flows are limited by memory traffic: gradients within the limit are not touched
            torch.nn.utils.clip_grads_with_norm_(state.flow.parameters(), settings.clip, torch.tensor(norm))
        state.optimiser.step()
        _update_average(state.average, state.flow, min(settings.average, (1 + step) / (10 + step)))
    return value


def learning_rate(step: int, total: int, settings: FitSection) -> float:
    """The learning rate of a step: a linear warm-up over the first `warm_up` of all steps, times half a cosine.

    >>> settings = FitSection(epochs=1, batch=1, learning_rate=1.0, warm_up=0.1)
    >>> [round(learning_rate(step, 100, settings), 2) for step in (0, 4, 9, 50, 99)]
    [0.1, 0.5, 0.98, 0.5, 0.0]

    Reference: Loshchilov and Hutter (2017), SGDR, eq. 5, arXiv:1608.03983.
    """
    warm = min(1.0, (step + 1) / max(1.0, settings.warm_up * total))
    return settings.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * step / total))


def _update_average(average: Flow, flow: Flow, decay: float) -> None:
    # Exponential moving average of the weights: average <- decay * average + (1 - decay) * flow.
    targets = [parameter.detach() for parameter in flow.parameters()]
    torch._foreach_lerp_(list(average.parameters()), targets, 1 - decay)


def _optimiser(flow: Flow, settings: FitSection) -> AdamW:
    betas = (0.9, settings.second_moment)
    # Fused: one call for all weights. On flows of this size a loop over the weights took a fifth of each step.
    return AdamW(flow.parameters(), settings.learning_rate, betas, weight_decay=settings.weight_decay, fused=True)


def _without_gradients(flow: Flow) -> Flow:
    return copy.deepcopy(flow).requires_grad_(requires_grad=False)
