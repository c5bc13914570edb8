"""An example of a new transform: a coupling over a map with one slope below zero and one above, in one file.

The tests add it to the registry under the name `two_slopes`; the package itself does not have it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from diffeo.training.flows.conditioner import ConditionerShape
from diffeo.training.flows.coupling import Coupling, Halves
from diffeo.training.flows.elementwise import ElementwiseMap, Theta, bounded
from diffeo.training.flows.transform import TransformSpec


@dataclass(frozen=True, slots=True)
class TwoSlopesMap(ElementwiseMap):
    """Forward: z = y * exp(s) with y = x + t, and s = s_low where y < 0, s_high elsewhere. theta = (s_low, s_high, t).

    Attributes:
        limit: |s| stays below it.
    """

    limit: float

    @property
    def parameters(self) -> int:
        return 3

    def constrain(self, raw: Theta) -> Theta:
        s_low, s_high, t = raw
        return bounded(s_low, self.limit), bounded(s_high, self.limit), t

    def forward(self, x: Tensor, theta: Theta) -> tuple[Tensor, Tensor]:
        s_low, s_high, t = theta
        y = x + t
        s = torch.where(y < 0, s_low, s_high)
        return y * torch.exp(s), s

    def inverse(self, z: Tensor, theta: Theta) -> tuple[Tensor, Tensor]:
        s_low, s_high, t = theta
        s = torch.where(z < 0, s_low, s_high)  # z and y have the same sign
        return z * torch.exp(-s) - t, s


class TwoSlopesSpec(TransformSpec):
    """Options of the coupling over the map with two slopes."""

    limit: float = 2.0

    def build(self, dimension: int, shape: ConditionerShape, *, flipped: bool) -> Coupling:
        return Coupling(Halves(dimension, flipped), TwoSlopesMap(self.limit), shape)
