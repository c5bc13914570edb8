"""The conditioner of a coupling: a multilayer perceptron that computes the parameters of the elementwise map."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class ConditionerShape:
    """Size and start of a conditioner.

    Attributes:
        hidden: units in each hidden layer.
        depth: hidden layers.
        sharpness: slope of the first kinks at the start; thin densities need a large one.
    """

    hidden: int
    depth: int
    sharpness: float = 1.0


class Conditioner(nn.Module):
    """Multilayer perceptron with ReLU.

    The kinks of the first layer start at points drawn from the standard normal, where standardised data are. The last
    layer starts at zero, so that a coupling starts as the identity.

    Args:
        features: columns of the input.
        outputs: columns of the output.
        shape: size and start.
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

    def linear_layers(self) -> list[nn.Linear]:
        """The linear layers from input to output: the first, those between hidden layers, the last."""
        return [layer for layer in self.net if isinstance(layer, nn.Linear)]

    def replace_layers(self, layers: Iterable[nn.Module]) -> None:
        """Compute with these layers from now on, in the float type of the weights so far."""
        dtype = next(self.parameters()).dtype
        self.net = nn.Sequential(*layers).to(dtype)


def _spread_kinks(first: nn.Linear, sharpness: float) -> None:
    # A unit relu(w.(a - c)) bends at c: |w| sets how sharply, c sets where.
    width = sharpness / math.sqrt(first.in_features)
    with torch.no_grad():
        first.weight.uniform_(-width, width)
        kinks = torch.randn_like(first.weight)  # [hidden, features]
        first.bias.copy_(-(first.weight * kinks).sum(-1))
