"""The Jacobian of a map of rows by automatic differentiation."""

from collections.abc import Callable

import torch
from torch import Tensor

from .measurement import Array


def jacobians(function: Callable[[Tensor], Tensor], rows: Array) -> Array:
    """The Jacobian of each row [B, D] -> [B, D, D]; a row of an image depends on the same row of its source alone."""
    source = torch.from_numpy(rows).clone().requires_grad_()
    image = function(source)
    gradients = [torch.autograd.grad(column.sum(), source, retain_graph=True)[0] for column in image.unbind(-1)]
    result: Array = torch.stack(gradients, dim=1).numpy()
    return result
