"""Rounds the products between the hidden layers of every conditioner of a flow to 8-bit integers.

The result depends on the flow alone: the rounding is fitted to samples of the flow. The first and last product of a
conditioner, the arithmetic of the couplings and their log-determinants stay in floating point. So the result is a flow
too: a density that integrates to 1, with a forward and an inverse that share every conditioner.
"""

import copy
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn

from diffeo.bundle.base import Base

from ..errors import NothingToRound
from ..flows.coupling import Coupling
from ..flows.flow import Flow
from ..flows.transform import Transform
from .rounded_product import row_scale
from .rounding import round_product

# On a processor with AVX2 alone, rounding costs as much time as the product saves at 192 units, and less from here on.
LEAST_HIDDEN: Final = 256
SEED: Final = 1_904_067
ROWS: Final = 4096
# Temperatures of the base, for one half of the rows each: the rounding must hold in the tails too.
TEMPERATURES: Final = (1.0, 2.0)
# Every unit counts as at least this share of the largest: it may grow in a row that is not among those here.
LEAST_SHARE: Final = 0.03


def quantise(flow: Flow, dimension: int) -> Flow:
    """A copy of the flow of D = `dimension` columns with every hidden product rounded, in the same float types.

    Raises:
        NothingToRound: no conditioner has two hidden layers of at least 256 units.
    """
    require_wide_layers(flow)
    exact = copy.deepcopy(flow).cpu().double().requires_grad_(requires_grad=False)
    result = copy.deepcopy(flow).cpu().requires_grad_(requires_grad=False)
    x, _ = exact.inverse(_draw(exact.base.distribution(dimension)))
    for transform, target in zip(exact.transforms, result.transforms, strict=True):
        if isinstance(transform, Coupling) and isinstance(target, Coupling):
            a, _ = transform.halves.split(x)
            target.conditioner.replace_layers(_rounded_layers(transform.conditioner.linear_layers(), a))
        if isinstance(transform, Transform):
            x, _ = transform.forward(x)
    return result


def require_wide_layers(flow: Flow) -> None:
    """Raise NothingToRound unless the flow has a hidden product that is faster in integers."""
    if not has_wide_layers(flow):
        widths = _widths(flow)
        found = f"hidden layers of {max(widths)} units" if widths else "no product from one hidden layer to another"
        raise NothingToRound(
            f"int8 needs hidden layers of {LEAST_HIDDEN} units or more to be faster, and this flow has {found}; "
            "serve its float graphs"
        )


def has_wide_layers(flow: Flow) -> bool:
    """True if the flow has a hidden product that is faster in integers."""
    return max(_widths(flow), default=0) >= LEAST_HIDDEN


def _widths(flow: Flow) -> list[int]:
    """Units of each hidden layer that a product reads."""
    conditioners = [transform.conditioner for transform in flow.transforms if isinstance(transform, Coupling)]
    return [layer.in_features for conditioner in conditioners for layer in conditioner.linear_layers()[1:-1]]


def _draw(distribution: Base) -> Tensor:
    half = ROWS // len(TEMPERATURES)
    halves = [distribution.draw(SEED, k * half, half, temperature) for k, temperature in enumerate(TEMPERATURES)]
    return torch.cat([torch.from_numpy(rows).double() for rows in halves])


def _rounded_layers(layers: list[nn.Linear], a: Tensor) -> nn.Sequential:
    """The layers of a conditioner with its hidden products rounded, fitted to the inputs a [rows, features]."""
    first, *hidden, last = copy.deepcopy(layers)
    h = a
    for before, after in pairwise([first, *hidden]):
        h = torch.relu(before(h))
        h = h * _equalise(before, after, h)
    result = nn.Sequential(first, nn.ReLU())
    for product in hidden:
        result.extend([*round_product(product, result(a)), nn.ReLU()])
    return result.append(last)


def _equalise(before: nn.Linear, after: nn.Linear, h: Tensor) -> Tensor:
    """Scale the units between two layers by c > 0 so that one step of rounding fits all: relu(c h) = c relu(h).

    c_j^2 = |after's weights of unit j| / (root mean square of h_j). By the inequality of Cauchy and Schwarz this is the
    best c for a row's step that grows with the sum of its squares; the step in use grows with the largest instead.

    Args:
        before: the layer that computes h; its outputs are multiplied by c.
        after: the layer that reads h; its weights are divided by c.
        h: activations [rows, units].

    Returns:
        c [units].

    Reference: Xiao et al. (2023), SmoothQuant, sec. 4, arXiv:2211.10438.
    """
    reach = (h / row_scale(h)[:, None]).square().mean(dim=0).sqrt()
    influence = after.weight.norm(dim=0)
    c = torch.sqrt(_at_least(influence) / _at_least(reach))
    before.weight.mul_(c[:, None])
    before.bias.mul_(c)
    after.weight.div_(c)
    return c


def _at_least(sizes: Tensor) -> Tensor:
    return sizes.clamp_min(LEAST_SHARE * sizes.max()).clamp_min(torch.finfo(sizes.dtype).tiny)
