"""A transform is a bijection of R^D that knows its own log|det| in both directions."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Transform(nn.Module, ABC):
    """Law: inverse(forward(x).z).x = x, and the two log_abs_det_jacobian add up to zero."""

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, D] -> z [B, D], log|det dz/dx| [B]."""

    @abstractmethod
    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z [B, D] -> x [B, D], log|det dx/dz| [B]."""

    def frozen(self) -> "Transform":
        """The same map with everything that only depends on the weights as constants, for export."""
        return self
