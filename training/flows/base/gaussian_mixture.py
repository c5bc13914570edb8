"""The base as a mixture of Gaussians with full covariances, trained with the flow."""

import copy
import math
from typing import Self

import numpy as np
import torch
from torch import Generator, Tensor, nn

from diffeo.bundle import mixture
from diffeo.bundle.base import Base

from ..rows.row_sum import row_sum
from .base_density import BaseDensity


class GaussianMixture(BaseDensity):
    """p(z) = sum_k w_k N(z; mean_k, (P_k^T P_k)^-1), with w the softmax of logits.

    P_k is lower triangular with the positive diagonal exp(u_k). A fresh one has equal components N(0, I); `started`
    makes one from the result of an EM algorithm.

    >>> density = GaussianMixture(dimension=2, components=3)
    >>> density.log_prob(torch.zeros(1, 2)).detach()
    tensor([-1.8379])

    Args:
        dimension: D.
        components: C.

    Reference: Papamakarios et al. (2017), Masked autoregressive flow for density estimation, sec. 4.3 (MAF MoG),
    arXiv:1705.07057; there the components are diagonal.
    """

    def __init__(self, dimension: int, components: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(components))
        self.means = nn.Parameter(torch.zeros(components, dimension))
        self.diagonal = nn.Parameter(torch.zeros(components, dimension))  # u
        self.lower = nn.Parameter(torch.zeros(components, dimension * (dimension - 1) // 2))

    @classmethod
    def started(cls, weights: Tensor, means: Tensor, covariances: Tensor) -> Self:
        """The mixture with these weights [C], means [C, D] and covariances [C, D, D]; it can be trained on."""
        components, dimension = means.shape
        result = cls(dimension, components)
        factors = torch.linalg.cholesky(covariances.double())
        unit = torch.eye(dimension, dtype=torch.float64).expand_as(factors)
        inverse = torch.linalg.solve_triangular(factors, unit, upper=False)
        rows, columns = torch.tril_indices(dimension, dimension, -1)
        with torch.no_grad():
            result.logits.copy_(weights.log())
            result.means.copy_(means)
            result.diagonal.copy_(torch.diagonal(inverse, dim1=1, dim2=2).log())
            result.lower.copy_(inverse[:, rows, columns])
        return result

    def log_prob(self, z: Tensor) -> Tensor:
        """z [B, D] -> log density, nats [B].

        log p = log sum_k exp(log w_k + sum u_k - |P_k (z - mean_k)|^2 / 2) - D/2 log 2 pi
        """
        product, offset, constant = self._terms()
        return _log_prob(z, product, offset, constant)

    def sample(self, count: int, dimension: int, generator: Generator) -> Tensor:  # noqa: ARG002  (it knows D)
        """z = mean_k + P_k^-1 n for components k by weight and normals n [count, D]."""
        weights = torch.softmax(self.logits.detach().double(), 0)
        chosen = torch.multinomial(weights, count, replacement=True, generator=generator)
        normals = torch.randn(count, self.means.shape[1], 1, generator=generator, dtype=torch.float64)
        factors = self._inverse_factors().detach().double()[chosen]
        noise: Tensor = torch.linalg.solve_triangular(factors, normals, upper=False).squeeze(-1)
        return self.means.detach().double()[chosen] + noise

    def distribution(self, dimension: int) -> Base:
        """The same mixture in NumPy, from the numbers that a graph holds."""
        return self.frozen().distribution(dimension)

    def frozen(self) -> "ConstantMixture":  # type: ignore[override]  # the same density by another class
        """The same density with its matrices as constants, computed in float64."""
        exact = copy.deepcopy(self).double()
        return ConstantMixture(*(term.detach() for term in exact._terms()))  # noqa: SLF001  (a copy of this object)

    def _inverse_factors(self) -> Tensor:
        """P [C, D, D]."""
        components, dimension = self.means.shape
        rows, columns = torch.tril_indices(dimension, dimension, -1, device=self.means.device)
        empty = self.means.new_zeros(components, dimension, dimension)
        lower = empty.index_put((torch.arange(components, device=rows.device)[:, None], rows, columns), self.lower)
        return lower + torch.diag_embed(self.diagonal.exp())

    def _terms(self) -> tuple[Tensor, Tensor, Tensor]:
        """P as one matrix [D, C D], the products with the means [C D], and the logarithms [C] beside the squares."""
        inverse = self._inverse_factors()
        components, dimension = self.means.shape
        product = inverse.permute(2, 0, 1).reshape(dimension, components * dimension)
        offset = (inverse @ self.means.unsqueeze(-1)).reshape(-1)
        constant = torch.log_softmax(self.logits, 0) + self.diagonal.sum(-1) - 0.5 * dimension * math.log(2 * math.pi)
        return product, offset, constant


class ConstantMixture(BaseDensity):
    """A mixture whose matrices are constants, for export.

    Args:
        product: P as one matrix [D, C D], float64.
        offset: the products with the means [C D], float64.
        constant: the logarithms beside the squares [C], float64.
    """

    product: Tensor
    offset: Tensor
    constant: Tensor

    def __init__(self, product: Tensor, offset: Tensor, constant: Tensor) -> None:
        super().__init__()
        self.register_buffer("product", product)
        self.register_buffer("offset", offset)
        self.register_buffer("constant", constant)

    def log_prob(self, z: Tensor) -> Tensor:
        """z [B, D] -> log density, nats [B]."""
        return _log_prob(z, self.product, self.offset, self.constant)

    def sample(self, count: int, dimension: int, generator: Generator) -> Tensor:
        """z = mean_k + L_k n, from the distribution in NumPy and torch's random numbers."""
        base = self.distribution(dimension)
        chosen = torch.multinomial(torch.from_numpy(base.weights), count, replacement=True, generator=generator)
        normals = torch.randn(count, dimension, 1, generator=generator, dtype=torch.float64)
        return torch.from_numpy(base.means)[chosen] + (torch.from_numpy(base.factors)[chosen] @ normals).squeeze(-1)

    def distribution(self, dimension: int) -> mixture.GaussianMixture:
        """The same mixture in NumPy."""
        components = len(self.constant)
        product, offset, constant = (part.cpu().numpy() for part in (self.product, self.offset, self.constant))
        inverse = product.reshape(dimension, components, dimension).transpose(1, 2, 0)  # P [C, D, D]
        factors = np.tril(np.linalg.inv(inverse))
        means = (factors @ offset.reshape(components, dimension, 1))[:, :, 0]
        # constant = log w + log det P - D/2 log 2 pi
        log_weights = constant + np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
        weights = np.exp(log_weights - log_weights.max())
        return mixture.GaussianMixture.of(weights / weights.sum(), means, factors)


def _log_prob(z: Tensor, product: Tensor, offset: Tensor, constant: Tensor) -> Tensor:
    # P_k z and P_k mean_k are large and nearly equal where a component is narrow, so their difference is computed in
    # the type of the product: float64 in a graph.
    components, dimension = constant.shape[0], z.shape[-1]
    distance = (z.to(product.dtype) @ product - offset).to(z.dtype)  # [B, C D]
    squares = torch.unflatten(distance * distance, -1, (components, dimension))
    logits = constant.to(z.dtype) - 0.5 * row_sum(squares)  # [B, C]
    largest = torch.amax(logits, dim=-1, keepdim=True).detach()
    return (largest + torch.log(row_sum(torch.exp(logits - largest)).unsqueeze(-1))).squeeze(-1)
