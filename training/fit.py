"""Maximum likelihood in one readable loop: keep the best, skip what is not finite, resume anywhere.

The order of rows is a function of (seed, epoch) and every epoch begins from saved state, so a fit that was interrupted
and resumed ends with the same weights as one that was not.
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

# One bad step is chance; ten in a row are a learning rate that is too high, and no later step mends that.
BAD_STEPS: Final = 10
SETBACK_RATE: Final = 0.7
VALIDATION_BLOCK: Final = 8192


@dataclass(frozen=True, slots=True)
class Epoch:
    """One line of the record: mean training loss and validation loss (nats per row) after this many epochs.

    Attributes:
        epoch: counted from 1.
        train_nll: mean over the steps of the epoch.
        validation_nll: of the averaged weights, at the end of the epoch.
        skipped: steps that were not finite.
        setback: the fit went back to its best weights after this epoch.
    """

    epoch: int
    train_nll: float
    validation_nll: float
    skipped: int
    setback: bool


@dataclass(slots=True)
class FitState:
    """Everything that a resumed fit needs."""

    flow: Flow
    average: Flow
    best: Flow
    optimiser: AdamW
    record: list[Epoch]

    @property
    def best_epoch(self) -> Epoch | None:
        """The epoch with the lowest validation loss so far."""
        return min(self.record, key=lambda line: line.validation_nll, default=None)


Watch = Callable[[int, float], None]  # (steps done, loss of the last step)


def start(flow: Flow, settings: FitSection) -> FitState:
    """The state before the first epoch."""
    return FitState(flow, _frozen(flow), _frozen(flow), _optimiser(flow, settings), [])


def fit(state: FitState, train: Tensor, validation: Tensor, settings: FitSection, watch: Watch) -> Epoch:
    """Run one epoch on standardised or raw rows [rows, D], as the flow takes them, and record it.

    Raises:
        FitError: ten steps in a row were not finite.
    """
    number = len(state.record)
    steps = steps_per_epoch(len(train), settings)
    slower = SETBACK_RATE ** sum(line.setback for line in state.record)
    losses, skipped, run = 0.0, 0, 0
    for index, rows in enumerate(_batches(train, settings, number)):
        step = number * steps + index
        rate = slower * learning_rate(step, settings.epochs * steps, settings)
        loss = _step(state, train[rows], step, rate, settings)
        if math.isfinite(loss):
            losses, run = losses + loss, 0
        else:
            skipped, run = skipped + 1, run + 1
        if run == BAD_STEPS:
            raise FitError(
                f"{run} steps in a row were not finite at epoch {number + 1}; lower fit.learning_rate (now "
                f"{settings.learning_rate:g}) or flow.limit"
            )
        watch(step + 1, loss)
    mean = losses / max(1, steps - skipped)
    line = Epoch(number + 1, mean, mean_nll(state.average, validation), skipped, setback=False)
    return _judge(state, line, settings)


def _judge(state: FitState, line: Epoch, settings: FitSection) -> Epoch:
    """Keep the best weights; after a setback go back to them, at a lower rate, with the optimiser's memory cleared."""
    best = state.best_epoch
    if best is None or line.validation_nll < best.validation_nll:
        state.best.load_state_dict(state.average.state_dict())
    # Not `>`: a validation loss that is not a number is the worst setback of all.
    elif not line.validation_nll <= best.validation_nll + settings.setback:
        line = replace(line, setback=True)
        state.flow.load_state_dict(state.best.state_dict())
        state.average.load_state_dict(state.best.state_dict())
        state.optimiser = _optimiser(state.flow, settings)
    state.record.append(line)
    return line


def finished(state: FitState, settings: FitSection) -> bool:
    """True after the last epoch, or after `patience` epochs without a better validation loss (0: never early)."""
    done = len(state.record)
    best = state.best_epoch
    waited = done - best.epoch if best is not None else 0
    return done >= settings.epochs or (settings.patience > 0 and waited >= settings.patience)


def steps_per_epoch(rows: int, settings: FitSection) -> int:
    """Optimiser steps per epoch; a last batch that is not full joins the one before it."""
    return max(1, rows // settings.batch)


def mean_nll(flow: Flow, rows: Tensor) -> float:
    """Mean of -log p over the rows, nats."""
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
        if norm > settings.clip:  # wide flows are bound by memory: weights that need no scaling are not touched
            torch.nn.utils.clip_grads_with_norm_(state.flow.parameters(), settings.clip, torch.tensor(norm))
        state.optimiser.step()
        _follow(state.average, state.flow, min(settings.average, (1 + step) / (10 + step)))
    return value


def learning_rate(step: int, total: int, settings: FitSection) -> float:
    """Linear warm-up over the first `warm_up` of all steps, times half a cosine from 1 to 0.

    Reference: Loshchilov and Hutter (2017), SGDR, eq. 5, arXiv:1608.03983.
    """
    warm = min(1.0, (step + 1) / max(1.0, settings.warm_up * total))
    return settings.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * step / total))


def _follow(average: Flow, flow: Flow, decay: float) -> None:
    # Exponential moving average of the weights: average <- decay * average + (1 - decay) * flow.
    targets = [parameter.detach() for parameter in flow.parameters()]
    torch._foreach_lerp_(list(average.parameters()), targets, 1 - decay)


def _optimiser(flow: Flow, settings: FitSection) -> AdamW:
    betas = (0.9, settings.second_moment)
    # Fused: one call for all weights; on flows of this size the loop over them took a fifth of each step.
    return AdamW(flow.parameters(), settings.learning_rate, betas, weight_decay=settings.weight_decay, fused=True)


def _frozen(flow: Flow) -> Flow:
    return copy.deepcopy(flow).requires_grad_(requires_grad=False)
