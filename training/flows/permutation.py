"""A fixed permutation of the columns, so that later couplings divide them into other halves."""

import torch
from torch import Tensor

from .transform import Transform


class Permutation(Transform):
    """Forward: z = (x_1, x_3, x_5, .., x_0, x_2, ..), a perfect shuffle backwards; log|det dz/dx| = 0.

    Half of each half of the columns moves into the other half. Of up to 64 columns, each two are in different halves
    after at most 5 shuffles.

    >>> Permutation(5).forward(torch.tensor([[0.0, 1.0, 2.0, 3.0, 4.0]]))
    (tensor([[1., 3., 0., 2., 4.]]), tensor([0.]))

    Args:
        dimension: D.

    Reference: Diaconis, Graham and Kantor (1983), The mathematics of perfect shuffles,
    doi:10.1016/0196-8858(83)90009-X.
    """

    order: Tensor
    back: Tensor

    def __init__(self, dimension: int) -> None:
        super().__init__()
        order = torch.cat((torch.arange(1, dimension, 2), torch.arange(0, dimension, 2)))
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("back", torch.argsort(order), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, D] -> z [B, D], log|det dz/dx| = 0 [B]."""
        return torch.index_select(x, -1, self.order), _zeros(x)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z [B, D] -> x [B, D], log|det dx/dz| = 0 [B]."""
        return torch.index_select(z, -1, self.back), _zeros(z)


def _zeros(rows: Tensor) -> Tensor:
    """rows [B, D] -> 0 [B]."""
    # The exporter makes a ConstantOfShape of a plain zero, and the graph of a bundle has no such operator.
    return torch.clamp(torch.split(rows, [1, rows.shape[-1] - 1], dim=-1)[0].squeeze(-1), 0, 0)
