"""The weights of a module as one vector: an optimiser then takes a few operations for a step, and not some for each."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn


def flat_weights(module: nn.Module, *, with_gradient: bool) -> Tensor | None:
    """Move all weights of a module into one vector, of which they are parts from now on; None if it has none.

    >>> layer = nn.Linear(2, 3)
    >>> vector = flat_weights(layer, with_gradient=False)
    >>> vector.zero_().shape, layer.weight.abs().sum().item()
    (torch.Size([9]), 0.0)

    Args:
        module: its weights have one type and one device.
        with_gradient: the gradients become parts of the gradient of the vector. Set that to zero before each backward.
    """
    parameters = [*module.parameters()]
    if not parameters:
        return None
    vector = torch.cat([parameter.detach().reshape(-1) for parameter in parameters])
    for parameter, part in _parts(parameters, vector):
        parameter.data = part
    if with_gradient:
        vector.grad = torch.zeros_like(vector)
        for parameter, part in _parts(parameters, vector.grad):
            parameter.grad = part
    return vector


def _parts(parameters: list[nn.Parameter], vector: Tensor) -> Iterator[tuple[nn.Parameter, Tensor]]:
    """Each parameter with its part of the vector, in its shape."""
    parts = torch.split(vector, [parameter.numel() for parameter in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        yield parameter, part.view(parameter.shape)
