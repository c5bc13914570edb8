"""PyTorch: a flow as a `torch.distributions.Distribution`, without gradients because torch does not compute it."""

import math
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from diffeo.density import SEED_LIMIT, Density

from .random_state import draw_rows


class FlowDistribution(Distribution):
    """A flow as a distribution over vectors; `torch.manual_seed` makes its samples repeatable.

    >>> from pathlib import Path
    >>> from diffeo.local.model import open_model
    >>> distribution = FlowDistribution(open_model(Path("models"), "moons", None))
    >>> x = distribution.sample((4,))
    >>> distribution.log_prob(x).shape
    torch.Size([4])

    Args:
        flow: the density.
        validate_args: as in every torch Distribution.
    """

    arg_constraints = {}  # noqa: RUF012  (torch's own way)
    support = constraints.real_vector
    has_rsample = False

    def __init__(self, flow: Density, validate_args: bool | None = None) -> None:  # noqa: FBT001  (torch's signature)
        self.flow = flow
        super().__init__(torch.Size(), torch.Size([len(flow.columns)]), validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Self | None = None) -> "FlowDistribution":
        """The same distribution with this batch shape."""
        expanded: FlowDistribution = self._get_checked_instance(FlowDistribution, _instance)  # type: ignore[no-untyped-call]  # torch's own
        expanded.flow = self.flow
        Distribution.__init__(expanded, torch.Size(batch_shape), self.event_shape, self._validate_args)
        return expanded

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density [*sample_shape, *batch_shape], nats, in the type and on the device of `value`.

        Raises:
            NotImplementedError: `value` requires a gradient.
        """
        if self._validate_args:
            self._validate_sample(value)
        if value.requires_grad and torch.is_grad_enabled():
            raise NotImplementedError("the flow has no gradient in torch; detach the value or use torch.no_grad")
        # reshape(-1, D) fails when there are no points, so their number is computed here.
        points = math.prod(value.shape[:-1])
        rows = value.detach().reshape(points, self.event_shape[0]).cpu().numpy()
        nats = torch.from_numpy(self.flow.log_prob(rows)).to(value).reshape(value.shape[:-1])
        return nats.expand(torch.broadcast_shapes(nats.shape, self.batch_shape))  # type: ignore[no-untyped-call]  # torch's own

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw x [*sample_shape, *batch_shape, D]."""
        shape = self._extended_shape(torch.Size(sample_shape))
        seed = int(torch.randint(SEED_LIMIT, ()).item())
        return torch.from_numpy(draw_rows(self.flow, math.prod(shape[:-1]), seed)).reshape(shape)
