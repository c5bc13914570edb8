"""A flow: a chain of transforms over a base density of z; log p(x) = log p_z(f(x)) + log|det df/dx|."""

import copy
from collections.abc import Iterable

from torch import Tensor, nn

from .base.base_density import BaseDensity
from .base.standard_normal import StandardNormal
from .conditioner import Conditioner
from .transform import Transform


class Flow(nn.Module):
    """z = f(x) with f = f_n o ... o f_1 and z from the base; log densities in nats, in the units of x.

    >>> import torch
    >>> from diffeo.training.flows.standardise import Standardise
    >>> flow = Flow([Standardise(torch.tensor([1.0, -2.0]), torch.tensor([2.0, 4.0]))])
    >>> z, log_abs_det_jacobian = flow.forward(torch.tensor([[3.0, 2.0]]))
    >>> z
    tensor([[1., 1.]])
    >>> log_abs_det_jacobian  # -log(2 * 4)
    tensor([-2.0794])

    Args:
        transforms: f_1, ..., f_n.
        base: the density of z; by default N(0, I).

    Reference: Rezende and Mohamed (2015), Variational inference with normalizing flows, arXiv:1505.05770.
    """

    base: BaseDensity

    def __init__(self, transforms: Iterable[Transform], base: BaseDensity | None = None) -> None:
        super().__init__()
        self.transforms = nn.ModuleList(transforms)
        self.base = StandardNormal() if base is None else base
        self.is_random = any(part.is_random for part in self.modules() if isinstance(part, Conditioner))
        self.train(mode=False)  # a fit calls train()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, D] -> z = f(x) [B, D], log|det dz/dx| [B]."""
        total: Tensor | float = 0.0
        for transform in self._chain():
            x, ladj = transform.forward(x)
            total = total + ladj
        return x, _vector(total)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z [B, D] -> x = f^-1(z) [B, D], log|det dx/dz| [B].

        >>> import torch
        >>> from diffeo.training.flows.standardise import Standardise
        >>> flow = Flow([Standardise(torch.tensor([1.0, -2.0]), torch.tensor([2.0, 4.0]))])
        >>> flow.inverse(torch.tensor([[1.0, 1.0]]))
        (tensor([[3., 2.]]), tensor([2.0794]))
        """
        total: Tensor | float = 0.0
        for transform in reversed(self._chain()):
            z, ladj = transform.inverse(z)
            total = total + ladj
        return z, _vector(total)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log density of the rows x [B, D], nats [B].

        >>> import torch
        >>> from diffeo.training.flows.standardise import Standardise
        >>> flow = Flow([Standardise(torch.tensor([0.0, 0.0]), torch.tensor([1.0, 1.0]))])
        >>> flow.log_prob(torch.tensor([[0.0, 0.0], [1.0, 0.0]]))  # -log(2 pi), and 0.5 less
        tensor([-1.8379, -2.3379])
        """
        z, ladj = self.forward(x)
        return self.base.log_prob(z) + ladj

    def frozen(self) -> "Flow":
        """A copy for export, in which every value that depends on the weights alone is a constant.

        Raises:
            IllConditioned: a matrix of the flow has a condition number above 1e6.
        """
        result = copy.deepcopy(self)
        result.transforms = nn.ModuleList(transform.frozen() for transform in self._chain())
        result.base = self.base.frozen()
        return result

    def _chain(self) -> list[Transform]:
        return [transform for transform in self.transforms if isinstance(transform, Transform)]


def _vector(total: Tensor | float) -> Tensor:
    if isinstance(total, float):
        raise TypeError("a flow needs at least one transform")
    return total
