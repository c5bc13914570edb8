"""A coupling copies one half of the columns and maps the other half, with parameters computed from the first."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .conditioner import Conditioner, ConditionerShape
from .elementwise import ElementwiseMap, Theta
from .rows.row_sum import row_sum
from .transform import Transform


@dataclass(frozen=True, slots=True)
class Halves:
    """The two halves of D columns: [0, D // 2) passes and [D // 2, D) moves; `flipped` exchanges the roles."""

    dimension: int
    flipped: bool

    @property
    def passing(self) -> int:
        """Columns of the half a, which the conditioner reads."""
        return self._sizes[1 if self.flipped else 0]

    @property
    def moving(self) -> int:
        """Columns of the half b, which the elementwise map moves."""
        return self._sizes[0 if self.flipped else 1]

    def split(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """rows [B, D] -> a [B, passing], b [B, moving]."""
        first, second = torch.split(rows, self._sizes, dim=-1)
        return (second, first) if self.flipped else (first, second)

    def join(self, a: Tensor, b: Tensor) -> Tensor:
        """a [B, passing], b [B, moving] -> rows [B, D]."""
        return torch.cat((b, a) if self.flipped else (a, b), dim=-1)

    @property
    def _sizes(self) -> list[int]:
        return [self.dimension // 2, self.dimension - self.dimension // 2]


class Coupling(Transform):
    """Forward: z_a = x_a, z_b = m(x_b; theta(x_a)); log|det dz/dx| = sum log|dz_b/dx_b|.

    The inverse finds theta from z_a = x_a, so each direction costs one pass through the conditioner.

    Args:
        halves: which columns pass and which move.
        elementwise: the map m.
        shape: size and start of the conditioner, which computes P numbers for each moving column.

    Reference: Dinh et al. (2015), NICE, sec. 3.2, arXiv:1410.8516.
    """

    def __init__(self, halves: Halves, elementwise: ElementwiseMap, shape: ConditionerShape) -> None:
        super().__init__()
        self.halves = halves
        self.elementwise = elementwise
        self.conditioner = Conditioner(halves.passing, elementwise.parameters * halves.moving, shape)
        self.train(mode=False)  # a fit calls train()

    def theta(self, a: Tensor) -> Theta:
        """a [B, passing] -> the parameters of the map."""
        return self.elementwise.constrain(self.elementwise.raw_numbers(self.conditioner.forward(a)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, D] -> z [B, D], log|det dz/dx| [B]."""
        x_a, x_b = self.halves.split(x)
        if self.training:
            z_b, ladj = self.elementwise.forward_in_fit(x_b, self.conditioner.forward(x_a))
        else:
            z_b, ladj = self.elementwise.forward(x_b, self.theta(x_a))
        return self.halves.join(x_a, z_b), row_sum(ladj)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z [B, D] -> x [B, D], log|det dx/dz| [B]."""
        z_a, z_b = self.halves.split(z)
        x_b, ladj = self.elementwise.inverse(z_b, self.theta(z_a))
        return self.halves.join(z_a, x_b), -row_sum(ladj)
