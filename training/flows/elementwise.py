"""Elementwise maps: the function of one number that a coupling applies to each column of its moving half."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

Theta = tuple[Tensor, ...]  # one tensor [B, columns] for each parameter of the map, unless the map says otherwise


class ElementwiseMap(ABC):
    """z = m(x; theta), strictly monotone in x for every theta, for each row and column on its own.

    A map has no weights. A conditioner computes raw numbers from the other half of the row, and `constrain` turns them
    into the parameters theta. Law: raw numbers that are all zero give the identity, so that a fresh coupling is the
    identity.

    In graphs only operators of `bundle/graph/operators.py` are allowed.
    """

    @property
    @abstractmethod
    def parameters(self) -> int:
        """P, the number of parameters for each column."""

    def raw_numbers(self, output: Tensor) -> Theta:
        """The output of a conditioner [B, P * columns] -> the raw numbers of theta: P tensors [B, columns]."""
        return torch.chunk(output, self.parameters, dim=-1)

    @abstractmethod
    def constrain(self, raw: Theta) -> Theta:
        """Raw numbers of any size -> theta, in the range that the map allows."""

    @abstractmethod
    def forward(self, x: Tensor, theta: Theta) -> tuple[Tensor, Tensor]:
        """x [B, columns] -> z [B, columns], log|dz/dx| of each element [B, columns]."""

    def forward_in_fit(self, x: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
        """The same function of x [B, columns] and of the output of a conditioner, as the steps of a fit compute it.

        A map may override it by a faster computation, which needs first derivatives only.
        """
        return self.forward(x, self.constrain(self.raw_numbers(output)))

    @abstractmethod
    def inverse(self, z: Tensor, theta: Theta) -> tuple[Tensor, Tensor]:
        """z [B, columns] -> x [B, columns], log|dz/dx| [B, columns]: the derivative of the forward, at this x."""


def bounded(raw: Tensor, limit: float) -> Tensor:
    """limit * tanh(raw / limit) of the shape of raw: close to raw near zero, and below the limit everywhere."""
    return in_columns(limit * torch.tanh(flat(raw) / limit), raw)


def flat(rows: Tensor) -> Tensor:
    """rows [B, 1] -> [B], and rows of more columns as they are.

    ONNX Runtime takes twenty times as long for a column times a number as for a vector times a number.
    """
    return rows.squeeze(-1) if rows.shape[-1] == 1 else rows


def in_columns(values: Tensor, rows: Tensor) -> Tensor:
    """Undo `flat`: values [B] -> [B, 1] if the rows have one column."""
    return values.unsqueeze(-1) if rows.shape[-1] == 1 else values
