"""Fits a flow by maximum likelihood, step by step, and keeps the weights with the best validation loss.

The batch of a step depends on seed and step alone, and the state holds everything else. So a fit that was stopped at
any step and resumed ends with the same weights as a fit without interruption.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import torch
from torch import Tensor
from torch.optim import AdamW

from ..errors import FitError
from ..flows.flow import Flow
from ..recipe import FitSection
from .batches import Batch, FitRows
from .evaluation import Evaluation
from .flat_weights import flat_weights
from .plan import Plan

# A single step that is not finite happens by chance. Ten in a row mean that the learning rate is too high, and no later
# step corrects that.
SKIPPED_IN_A_ROW: Final = 10
ROLLBACK_RATE: Final = 0.7  # the learning rate is multiplied by this after a rollback
# The same where the weights became worse than those of the fresh flow, or not finite.
DIVERGENCE_RATE: Final = 0.2
USUAL_RATE: Final = 0.01  # AdamW rarely learns well above this learning rate
SLOWEST: Final = 1e-5  # a fit ends below this share of its learning rate, or of the usual one if that is lower


@dataclass(slots=True)
class Interval:
    """The steps since the last evaluation.

    Attributes:
        losses: sum of the finite losses, nats per row.
        finite: steps with a finite loss and gradient.
        skipped: the other steps.
        in_a_row: steps in a row, up to now, that were not finite; counted across evaluations and passes.
    """

    losses: float = 0.0
    finite: int = 0
    skipped: int = 0
    in_a_row: int = 0


@dataclass(slots=True)
class FitState:
    """All that a fit needs to continue.

    Attributes:
        flow: the weights that the optimiser changes.
        average: exponential moving average of these weights.
        best: the averaged weights with the lowest validation loss; those of the fresh flow until a later loss is lower.
        weights: those of the transforms and those of the base as vectors (`flat_weights`), where there are some.
        averages: likewise of `average`.
        optimiser: AdamW of the vectors, with its moments.
        settings: the optimisation.
        plan: how many steps, and when to evaluate.
        step: optimiser steps done.
        start_nll: validation loss of the fresh flow, nats per row; NaN before the first step.
        best_nll: validation loss of `best`.
        best_step: the step after which `best` was kept.
        slowdown: factor of the learning rate; a trial before the first step and each rollback lower it.
        interval: the steps since the last evaluation.
        records: one record for each evaluation.
    """

    flow: Flow
    average: Flow
    best: Flow
    weights: list[Tensor]
    averages: list[Tensor]
    optimiser: AdamW
    settings: FitSection
    plan: Plan
    step: int = 0
    start_nll: float = math.nan
    best_nll: float = math.nan
    best_step: int = 0
    slowdown: float = 1.0
    interval: Interval = field(default_factory=Interval)
    records: list[Evaluation] = field(default_factory=list)

    @property
    def is_random(self) -> bool:
        """A step leaves units out at random, or adds noise."""
        return self.flow.is_random


StepCallback = Callable[[int, float], None]  # (steps done, loss of the last step)


def start(flow: Flow, settings: FitSection, plan: Plan) -> FitState:
    """The state before the first step.

    Raises:
        FitError: the flow has nothing to fit.
    """
    if not any(parameter.requires_grad for parameter in flow.parameters()):
        raise FitError(
            "this flow has nothing to fit: no couplings, splines, linear map or mixture; set layers (for two columns "
            "and more), marginals, linear or components in [flow]"
        )
    average, best = _without_gradients(flow), _without_gradients(flow)
    flow.train()
    weights, averages = _vectors(flow, with_gradient=True), _vectors(average, with_gradient=False)
    return FitState(flow, average, best, weights, averages, _optimiser(flow, weights, settings), settings, plan)


def run_until_evaluation(
    state: FitState,
    rows: FitRows,
    on_step: StepCallback = lambda _step, _loss: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Evaluation | None:
    """Run the steps up to the next evaluation, evaluate, and keep the weights or return to the best ones.

    Args:
        state: changed in place.
        rows: the rows of the fit.
        on_step: called after each step.
        stopped: asked after each step; True ends the call before its evaluation, at a state that can be continued.

    Returns:
        The record that was appended to the state; None if `stopped` ended the call.

    Raises:
        FitError: the loss is not finite before the first step, or at no learning rate.
    """
    if math.isnan(state.start_nll):
        _evaluate_start(state, rows)
    goal = state.plan.next_evaluation(state.step)
    while state.step < goal and state.interval.in_a_row < SKIPPED_IN_A_ROW:
        if stopped():
            return None
        rate = state.slowdown * state.plan.learning_rate(state.step, state.settings.learning_rate)
        loss = optimise(state, rows.train.batch(state.step), rate) + rows.train_offset
        state.step += 1
        _count(state.interval, loss)
        on_step(state.step, loss)
    return evaluate(state, rows)


def evaluate(state: FitState, rows: FitRows) -> Evaluation:
    """Record the losses; keep the averaged weights if they are the best, or return to the best if they are far worse.

    Raises:
        FitError: the learning rate became so low that a fit learns nothing, and nothing beat the fresh flow.
    """
    interval = state.interval
    validation = rows.validation_nll(state.average)
    record = Evaluation(
        epoch=state.step / rows.train.pass_steps,
        train_nll=interval.losses / interval.finite if interval.finite else math.nan,
        validation_nll=validation,
        skipped=interval.skipped,
        rollback=False,
        step=state.step,
    )
    diverged = interval.in_a_row >= SKIPPED_IN_A_ROW or not validation <= state.start_nll + state.settings.rollback
    if not diverged and validation < state.best_nll:
        state.best.load_state_dict(state.average.state_dict())
        state.best_nll, state.best_step = validation, state.step
    elif diverged or validation > state.best_nll + state.settings.rollback:
        record = replace(record, rollback=True)
        _roll_back(state, DIVERGENCE_RATE if diverged else ROLLBACK_RATE)
    state.records.append(record)
    state.interval = Interval(in_a_row=state.interval.in_a_row)
    return record


def finished(state: FitState) -> bool:
    """True after the last step, or when the patience of the plan is over, or when the learning rate became too low."""
    ended = state.step >= state.plan.steps or state.plan.may_end(state.step, state.best_step)
    return ended or _too_slow(state)


def optimise(state: FitState, batch: Batch, rate: float) -> float:
    """One step of AdamW at this learning rate; the weights stay as they are if loss or gradient are not finite.

    Loss: -sum_i w_i log p(x_i) / B, in nats per row.
    """
    gradients = []
    for group in state.optimiser.param_groups:
        group["lr"] = group["share"] * rate
        gradients += [weights.grad.zero_() for weights in group["params"]]
    if state.is_random:
        # The units that a step leaves out and its noise depend on seed and step alone, as its rows do.
        torch.manual_seed((state.settings.seed << 20) + state.step)
    log_prob = state.flow.log_prob(batch.x)
    loss = -(log_prob if batch.weights is None else batch.weights * log_prob).mean()
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves backward untyped
    norm = math.hypot(*(float(gradient.norm()) for gradient in gradients))
    value = float(loss.detach()) + 0 * norm  # not finite when either is
    if math.isfinite(value):
        clip = state.settings.clip
        if norm > clip:
            for gradient in gradients:
                gradient.mul_(clip / (norm + 1e-6))
        state.optimiser.step()
        decay = min(state.settings.average, (1 + state.step) / (10 + state.step))
        # Exponential moving average of the weights: average <- decay * average + (1 - decay) * flow.
        for average, weights in zip(state.averages, state.weights, strict=True):
            average.lerp_(weights, 1 - decay)
    return value


def _evaluate_start(state: FitState, rows: FitRows) -> None:
    state.start_nll = rows.validation_nll(state.best)
    state.best_nll = state.start_nll
    if not math.isfinite(state.start_nll):
        raise FitError(
            f"the loss of the validation rows is {state.start_nll} before the first step; "
            "remove or bound the rows whose values lie extremely far from the others"
        )


def _count(interval: Interval, loss: float) -> None:
    if math.isfinite(loss):
        interval.losses += loss
        interval.finite += 1
        interval.in_a_row = 0
    else:
        interval.skipped += 1
        interval.in_a_row += 1


def _roll_back(state: FitState, factor: float) -> None:
    """Return to the best weights with fresh moments and a lower learning rate."""
    state.flow.load_state_dict(state.best.state_dict())
    state.average.load_state_dict(state.best.state_dict())
    state.optimiser = _optimiser(state.flow, state.weights, state.settings)
    state.slowdown *= factor
    state.interval.in_a_row = 0
    if _too_slow(state) and state.best_step == 0:
        rate = state.settings.learning_rate
        raise FitError(
            f"no learning rate from {rate:g} down to {rate * state.slowdown:.1g} brought the validation loss below "
            f"{state.start_nll:.4f} nats, the loss of the fresh flow; lower fit.learning_rate or flow.limit"
        )


def _too_slow(state: FitState) -> bool:
    return state.slowdown * max(1.0, state.settings.learning_rate / USUAL_RATE) < SLOWEST


def _optimiser(flow: Flow, weights: Sequence[Tensor], settings: FitSection) -> AdamW:
    betas = (0.9, settings.second_moment)
    has_base = any(True for _ in flow.base.parameters())
    shares = [1.0] * (len(weights) - has_base) + [settings.base_rate] * has_base
    groups = [{"params": [each], "share": share} for each, share in zip(weights, shares, strict=True)]
    # Fused: one call for all weights. On flows of this size a loop over the weights took a fifth of each step.
    return AdamW(groups, settings.learning_rate, betas, weight_decay=settings.decay, fused=True)


def _vectors(flow: Flow, *, with_gradient: bool) -> list[Tensor]:
    found = (flat_weights(part, with_gradient=with_gradient) for part in (flow.transforms, flow.base))
    return [vector for vector in found if vector is not None]


def _without_gradients(flow: Flow) -> Flow:
    return copy.deepcopy(flow).requires_grad_(requires_grad=False)
