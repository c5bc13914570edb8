"""Flows with random weights and hidden layers wide enough for 8-bit integers."""

from typing import Final

import torch

from diffeo.training.flows.architecture import Architecture
from diffeo.training.flows.flow import Flow
from diffeo.training.flows.registry import coupling_from_keys

HIDDEN: Final = 256


def wide(dimension: int, *, layers: int = 2, depth: int = 2, block: int = 0, seed: int = 1) -> Flow:
    """A flow of D = `dimension` columns; `block` is that of A, or 0 for affine couplings."""
    torch.manual_seed(seed)
    architecture = Architecture(dimension, layers, HIDDEN, depth, coupling_from_keys(2.0, block))
    flow = architecture.build(torch.full((dimension,), 3.0), torch.full((dimension,), 2.0))
    flow.requires_grad_(requires_grad=False)
    for name, parameter in flow.named_parameters():
        # The last layers start at zero, and the matrices of triangular couplings as the identity.
        if parameter.abs().sum() == 0:
            parameter.add_((0.3 if "matrix" in name else 0.05) * torch.randn(parameter.shape))
    return flow


def rows(flow: Flow, dimension: int, count: int, seed: int = 2) -> torch.Tensor:
    """Samples of the flow [count, D], float32."""
    z = torch.randn(count, dimension, generator=torch.Generator().manual_seed(seed))
    return flow.inverse(z)[0]
