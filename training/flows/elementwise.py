"""Elementwise maps: the function of one number that a coupling applies to each column of its moving half."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

Theta = tuple[Tensor, ...]  # one tensor [B, columns] for each parameter of the map


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

    @abstractmethod
    def constrain(self, raw: Theta) -> Theta:
        """P raw tensors [B, columns] of any size -> theta, in the range that the map allows."""

    @abstractmethod
    def forward(self, x: Tensor, theta: Theta) -> tuple[Tensor, Tensor]:
        """x [B, columns] -> z [B, columns], log|dz/dx| of each element [B, columns]."""

    @abstractmethod
    def inverse(self, z: Tensor, theta: Theta) -> tuple[Tensor, Tensor]:
        """z [B, columns] -> x [B, columns], log|dz/dx| [B, columns]: the derivative of the forward, at this x."""


def bounded(raw: Tensor, limit: float) -> Tensor:
    """limit * tanh(raw / limit) [B, columns]: close to raw near zero, and below the limit everywhere."""
    # ONNX Runtime takes twenty times as long for a column times a number as for a vector times a number.
    return _bounded(raw.squeeze(-1), limit).unsqueeze(-1) if raw.shape[-1] == 1 else _bounded(raw, limit)


def _bounded(raw: Tensor, limit: float) -> Tensor:
    return limit * torch.tanh(raw / limit)
