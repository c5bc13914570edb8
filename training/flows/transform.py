"""The interface of a transform: an invertible map of R^D that computes the log-determinant of its Jacobian."""

from abc import ABC, abstractmethod
from typing import Self

from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from .conditioner import ConditionerShape


class Transform(nn.Module, ABC):
    """Laws: inverse undoes forward, and the log-determinants of the two directions add up to zero."""

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, D] -> z [B, D], log|det dz/dx| [B]."""

    @abstractmethod
    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z [B, D] -> x [B, D], log|det dx/dz| [B]."""

    def frozen(self) -> Self:
        """The same map for export: every value that depends on the weights alone is a constant."""
        return self


class TransformSpec(BaseModel, ABC):
    """The options of one kind of transform, as a recipe (TOML) and the header of flow.safetensors (JSON) hold them."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    @abstractmethod
    def build(self, dimension: int, shape: ConditionerShape, *, flipped: bool) -> Transform:
        """A fresh transform of D = `dimension` columns.

        Args:
            dimension: D, at least 2.
            shape: size and start of the conditioner.
            flipped: layers alternate; every second layer exchanges the roles of the two halves of the columns.
        """
