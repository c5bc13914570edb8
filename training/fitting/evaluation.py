"""The loss of a flow on held-out rows, and the record that a fit keeps of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from ..flows.flow import Flow

BLOCK_ROWS: Final = 8192


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Losses in nats per row at one evaluation of a fit; loss.csv and the checkpoint keep one record for each.

    Attributes:
        epoch: passes over the training rows so far.
        train_nll: mean over the steps since the evaluation before.
        validation_nll: of the averaged weights; not finite if they have no finite loss.
        skipped: steps since the evaluation before whose loss or gradient was not finite.
        rollback: the fit returned to its best weights after this evaluation.
        step: optimiser steps so far; 0 in files that do not hold it.
    """

    epoch: float
    train_nll: float
    validation_nll: float
    skipped: int
    rollback: bool
    step: int = 0


def best_evaluation(records: Sequence[Evaluation]) -> Evaluation | None:
    """The record with the lowest finite validation loss."""
    finite = [record for record in records if math.isfinite(record.validation_nll)]
    return min(finite, key=lambda record: record.validation_nll, default=None)


def mean_nll(flow: Flow, rows: Tensor, weights: Tensor | None = None) -> float:
    """Mean of -log p over the rows [n, D], weighted by weights [n] if given, nats."""
    return weighted_mean(row_nll(flow, rows), weights)


def row_nll(flow: Flow, rows: Tensor) -> Tensor:
    """-log p of each of the rows [n, D], nats, float64 [n]."""
    with torch.no_grad():
        blocks = [rows[start : start + BLOCK_ROWS] for start in range(0, len(rows), BLOCK_ROWS)]
        return torch.cat([-flow.log_prob(block).double() for block in blocks])


def weighted_mean(values: Tensor, weights: Tensor | None) -> float:
    """sum_i w_i v_i / sum_i w_i of values [n]; the plain mean without weights."""
    return float(values.mean() if weights is None else (values * weights).sum() / weights.double().sum())
