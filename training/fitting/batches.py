"""The rows of a fit: batches of training rows in an order that depends on seed and pass alone, and validation rows."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..flows.flow import Flow
from .evaluation import mean_nll
from .plan import steps_of_pass

RowsOfPass = Callable[[int], Tensor]  # number of the pass, from 0 -> training rows [n, D]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows x [B, D] of one step and their weights [B], None if all rows weigh alike."""

    x: Tensor
    weights: Tensor | None


class TrainingRows:
    """Batches of the training rows: each pass takes every row once, in another order.

    The batch of a step depends on the step and the seed alone, so a fit can continue at any step.

    Args:
        rows_of_pass: the rows [n, D] of a pass, in the units and the type that the flow takes. It must return the same
            rows whenever it is called with the same number.
        count: n.
        batch: rows of one step, at least.
        seed: of the order.
        weights: importance of each row [n], with mean 1; None weighs all rows alike.
    """

    def __init__(
        self, rows_of_pass: RowsOfPass, count: int, batch: int, seed: int, weights: Tensor | None = None
    ) -> None:
        self.count = count
        self.pass_steps = steps_of_pass(count, batch)
        self._rows_of_pass = rows_of_pass
        self._seed = seed
        self._weights = weights
        self._pass = -1
        self._rows = torch.empty(0)
        self._parts: tuple[Tensor, ...] = ()

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0 over the whole fit."""
        number, index = divmod(step, self.pass_steps)
        if number != self._pass:
            self._begin_pass(number)
        part = self._parts[index]
        return Batch(self._rows[part], None if self._weights is None else self._weights[part])

    def _begin_pass(self, number: int) -> None:
        self._rows = self._rows_of_pass(number)
        generator = torch.Generator().manual_seed((self._seed << 20) + number)
        order = torch.randperm(self.count, generator=generator).to(self._rows.device)
        self._parts = tuple(torch.tensor_split(order, self.pass_steps))
        self._pass = number


@dataclass(frozen=True, slots=True)
class FitRows:
    """All rows that a fit reads.

    Attributes:
        train: the training rows.
        validation: rows [m, D] that choose the best weights, in the units and the type that the flow takes.
        validation_weights: their importance [m]; None weighs all rows alike.
        train_offset: nats from a loss of the training rows, as the graphs take them, to the loss in the user's units.
        validation_offset: likewise for the validation rows.
    """

    train: TrainingRows
    validation: Tensor
    validation_weights: Tensor | None = None
    train_offset: float = 0.0
    validation_offset: float = 0.0

    def validation_nll(self, flow: Flow) -> float:
        """Loss of the validation rows in the user's units, nats per row."""
        return mean_nll(flow, self.validation, self.validation_weights) + self.validation_offset


def fixed_rows(train: Tensor, validation: Tensor, batch: int, seed: int) -> FitRows:
    """Rows without weights that stay the same in every pass: train [n, D], validation [m, D].

    >>> rows = fixed_rows(torch.arange(6.0).reshape(6, 1), torch.zeros(1, 1), batch=2, seed=0)
    >>> sorted(torch.cat([rows.train.batch(step).x for step in range(3)]).flatten().tolist())
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    """
    return FitRows(TrainingRows(lambda _: train, len(train), batch, seed), validation)
