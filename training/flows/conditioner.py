"""The conditioner is the free function inside a coupling: rows in, rows out, zero at the start."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class ConditionerShape:
    """Size and start of a conditioner.

    Attributes:
        hidden: units per hidden layer.
        depth: hidden layers.
        sharpness: slope of the first kinks at the start; densities that are thin in places need sharp ones.
    """

    hidden: int
    depth: int
    sharpness: float = 1.0


class Conditioner(nn.Module):
    """Multilayer perceptron with ReLU.

    The kinks of the first layer start at points drawn from the standard normal, where standardised data are. The last
    layer starts at zero, so that a coupling starts as the identity.
    """

    def __init__(self, features: int, outputs: int, shape: ConditionerShape) -> None:
        super().__init__()
        hidden = shape.hidden
        first = nn.Linear(features, hidden)
        last = nn.Linear(hidden, outputs)
        inner = [layer for _ in range(shape.depth - 1) for layer in (nn.Linear(hidden, hidden), nn.ReLU())]
        self.net = nn.Sequential(first, nn.ReLU(), *inner, last)
        _spread_kinks(first, shape.sharpness)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, a: Tensor) -> Tensor:
        """a [B, features] -> [B, outputs]."""
        result: Tensor = self.net(a)
        return result


def _spread_kinks(first: nn.Linear, sharpness: float) -> None:
    # A unit relu(w.(a - c)) bends at c: |w| sets how sharply, c sets where.
    width = sharpness / math.sqrt(first.in_features)
    with torch.no_grad():
        first.weight.uniform_(-width, width)
        kinks = torch.randn_like(first.weight)  # [hidden, features]
        first.bias.copy_(-(first.weight * kinks).sum(-1))
