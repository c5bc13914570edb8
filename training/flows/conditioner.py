"""The conditioner of a coupling: a multilayer perceptron that computes the parameters of the elementwise map."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

SMALL: Final = 1e-3  # weights of a fresh residual block
LEVELS: Final = 256  # of a random byte


@dataclass(frozen=True, slots=True)
class ConditionerShape:
    """Size and start of a conditioner.

    Attributes:
        hidden: units in each hidden layer.
        depth: hidden layers, or residual blocks.
        sharpness: slope of the first kinks at the start; thin densities need a large one.
        residual: residual blocks after the first layer in place of hidden layers.
        dropout: share of the units of a residual block that a step of a fit leaves out.
        noise: standard deviation of the normal noise that a step of a fit adds to the input.
    """

    hidden: int
    depth: int
    sharpness: float = 1.0
    residual: bool = False
    dropout: float = 0.0
    noise: float = 0.0


class ResidualBlock(nn.Module):
    """y -> y + W_2 relu(W_1 relu(y) + b_1) + b_2; a fresh one is nearly the identity.

    In a fit, each number behind the second ReLU is left out with the probability `dropout`, and the others are scaled
    up, so that small tables are not learnt by heart.

    Args:
        hidden: columns of y.
        dropout: 0 to 1.

    Reference: He et al. (2016), Identity mappings in deep residual networks, sec. 3, arXiv:1603.05027; without
    normalisation of batches.
    """

    def __init__(self, hidden: int, dropout: float) -> None:
        super().__init__()
        self.inner = nn.Linear(hidden, hidden)
        self.outer = nn.Linear(hidden, hidden)
        self.dropout = dropout
        nn.init.uniform_(self.outer.weight, -SMALL, SMALL)
        nn.init.zeros_(self.outer.bias)

    def forward(self, y: Tensor) -> Tensor:
        """y [B, hidden] -> [B, hidden]."""
        units = torch.relu(self.inner(torch.relu(y)))
        if self.training and self.dropout:
            units = units * _mask(units, 1 - self.dropout)
        change: Tensor = self.outer(units)
        return y + change


class Conditioner(nn.Module):
    """Multilayer perceptron with ReLU, or a first layer and residual blocks.

    The kinks of the first layer start at points drawn from the standard normal, where standardised data are. The last
    layer starts at zero, so that a coupling starts as the identity.

    In a fit, noise is added to the input. The other half of the columns then depends on a blurred value of the first,
    so a small table is not learnt by heart, and each step still has an exact density.

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
        self.net = nn.Sequential(first, *_hidden_layers(shape), nn.ReLU(), last)
        self.noise = shape.noise
        self.is_random = shape.noise > 0 or (shape.residual and shape.dropout > 0)  # in a fit
        _spread_kinks(first, shape.sharpness)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, a: Tensor) -> Tensor:
        """a [B, features] -> [B, outputs], in the type of the weights."""
        a = a.to(next(self.parameters()).dtype)
        if self.training and self.noise:
            a = a + self.noise * torch.randn_like(a)
        result: Tensor = self.net(a)
        return result

    def linear_layers(self) -> list[nn.Linear]:
        """The linear layers from input to output: the first, those between hidden layers, the last.

        Those inside of residual blocks are not among them.
        """
        return [layer for layer in self.net if isinstance(layer, nn.Linear)]

    def replace_layers(self, layers: Iterable[nn.Module]) -> None:
        """Compute with these layers from now on, in the float type of the weights so far."""
        dtype = next(self.parameters()).dtype
        self.net = nn.Sequential(*layers).to(dtype)


def _mask(units: Tensor, kept: float) -> Tensor:
    """1 / kept where a unit is kept, and 0 elsewhere.

    Random bytes decide, so that `kept` is rounded to 1/256: on a processor they take a fifth of the time of numbers.
    """
    numbers = torch.empty(-(-units.numel() // 8), dtype=torch.int64, device=units.device).random_(-(2**63), None)
    below = round(kept * LEVELS)
    mask = numbers.view(torch.uint8)[: units.numel()] < below
    return mask.view(units.shape).to(units.dtype).mul_(LEVELS / below)


def _hidden_layers(shape: ConditionerShape) -> Iterator[nn.Module]:
    """The layers between the first layer and the last ReLU."""
    if shape.residual:
        yield from (ResidualBlock(shape.hidden, shape.dropout) for _ in range(shape.depth))
        return
    for _ in range(shape.depth - 1):
        yield nn.ReLU()
        yield nn.Linear(shape.hidden, shape.hidden)


def _spread_kinks(first: nn.Linear, sharpness: float) -> None:
    # A unit relu(w.(a - c)) bends at c: |w| sets how sharply, c sets where.
    width = sharpness / math.sqrt(first.in_features)
    with torch.no_grad():
        first.weight.uniform_(-width, width)
        kinks = torch.randn_like(first.weight)  # [hidden, features]
        first.bias.copy_(-(first.weight * kinks).sum(-1))
