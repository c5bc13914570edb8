"""The base N(0, I)."""

import math

import torch
from torch import Generator, Tensor

from diffeo.bundle import base

from ..rows.row_sum import row_sum
from .base_density import BaseDensity


class StandardNormal(BaseDensity):
    """z ~ N(0, I)."""

    def log_prob(self, z: Tensor) -> Tensor:
        """z [B, D] -> log density, nats [B]."""
        return standard_normal_log_prob(z)

    def sample(self, count: int, dimension: int, generator: Generator) -> Tensor:
        """Standard normals [count, D]."""
        return torch.randn(count, dimension, generator=generator, dtype=torch.float64)

    def distribution(self, dimension: int) -> base.Base:
        """N(0, I) of D columns."""
        return base.StandardNormal(dimension)


def standard_normal_log_prob(z: Tensor) -> Tensor:
    """z [B, D] -> log p_z(z) = -|z|^2 / 2 - D/2 log 2 pi, nats [B]."""
    return -0.5 * row_sum(z * z) - 0.5 * z.shape[-1] * math.log(2 * math.pi)
