"""The interface of a base: a density of z in torch, with the distribution from which a service draws z."""

from abc import ABC, abstractmethod
from typing import Self

from torch import Generator, Tensor, nn

from diffeo.bundle.base import Base


class BaseDensity(nn.Module, ABC):
    """A density of z [B, D]; `distribution` draws z and has the same density in NumPy."""

    @abstractmethod
    def log_prob(self, z: Tensor) -> Tensor:
        """z [B, D] -> log density of each row, nats [B]."""

    @abstractmethod
    def sample(self, count: int, dimension: int, generator: Generator) -> Tensor:
        """z [count, D] in float64 from torch's random numbers, for comparison with those that a service draws."""

    @abstractmethod
    def distribution(self, dimension: int) -> Base:
        """The same distribution in NumPy; `dimension` is D."""

    def frozen(self) -> Self:
        """The same density for export: every value that depends on the weights alone is a constant."""
        return self
