"""Couplings with random weights, and the symbols of docs/coupling.md at one row: halves, A, B, s, t, Jacobians."""

import copy
import math
from collections.abc import Callable
from functools import cached_property
from typing import TypeVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import jacrev

from diffeo.training.certification.integral import integrate
from diffeo.training.flows.affine import AffineMap
from diffeo.training.flows.base.standard_normal import standard_normal_log_prob
from diffeo.training.flows.conditioner import ConditionerShape
from diffeo.training.flows.coupling import Coupling, Halves
from diffeo.training.flows.matrix import BlockTriangular
from diffeo.training.flows.triangular_coupling import TriangularCoupling

SHAPE = ConditionerShape(16, 2)
# With this limit, limit * tanh(raw / limit) is raw to the last digit: s is unbounded, as on the page.
UNLIMITED = 1e9
SIZES = [(2, 1, None), (3, 1, None), (5, 2, 3.0), (6, 3, None), (8, 1, 0.5), (9, 2, None), (11, 3, 100.0)]
Module = TypeVar("Module", bound=nn.Module)


def with_random_weights(module: Module) -> Module:
    """The module in float64 with random weights of the size that training gives."""
    generator = torch.Generator().manual_seed(3)
    result = module.double().requires_grad_(requires_grad=False)
    for parameter in result.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) / math.sqrt(parameter.shape[-1]))
    return result


def plain(dimension: int, *, flipped: bool) -> Coupling:
    return with_random_weights(Coupling(Halves(dimension, flipped), AffineMap(2.0), SHAPE))


def triangular(
    dimension: int, block: int, det: float | None = None, *, flipped: bool = False, limit: float = 2.0
) -> TriangularCoupling:
    halves = Halves(dimension, flipped)
    matrix = BlockTriangular(halves.passing, block, det)
    return with_random_weights(TriangularCoupling(halves, AffineMap(limit), SHAPE, matrix))


def matrix_of(layer: TriangularCoupling) -> BlockTriangular:
    """A with its parameters: the couplings here are not frozen."""
    assert isinstance(layer.matrix, BlockTriangular)
    return layer.matrix


either = (False, True)
every_plain_coupling = pytest.mark.parametrize("layer", [plain(d, flipped=half) for d in (2, 5, 8) for half in either])
every_coupling = pytest.mark.parametrize(
    "layer", [triangular(*size, flipped=half) for size in SIZES for half in either]
)
every_coupling_of_the_plane = pytest.mark.parametrize(
    "layer", [triangular(2, 1, det, flipped=half) for det in (0.25, 3.0) for half in either]
)


class Point:
    """The symbols of the page at one row x [D] of a coupling: formulas as on the page, Jacobians by autograd."""

    def __init__(self, layer: Coupling, x: Tensor) -> None:
        self.layer = layer
        self.x = x
        self.z = layer.forward(x[None])[0][0]
        self.x_a, self.x_b = self.halves(x)
        self.z_a, self.z_b = self.halves(self.z)
        self.s, self.t = self.scale_and_shift(self.x_a)
        self.a = (
            matrix_of(layer).forward() if isinstance(layer, TriangularCoupling) else torch.eye(len(self.x_a)).double()
        )

    @cached_property
    def ds_and_dt(self) -> tuple[Tensor, Tensor]:
        """ds/dx_a, dt/dx_a [moving, passing]."""
        ds, dt = jacrev(self.scale_and_shift)(self.x_a)
        return ds, dt

    @property
    def b(self) -> Tensor:
        ds, dt = self.ds_and_dt
        return torch.diag(self.x_b * torch.exp(self.s)) @ ds + dt

    @cached_property
    def dz_dx(self) -> Tensor:
        """[D, D], the columns of x_a first."""
        return self.a_first(jacrev(lambda row: self.layer.forward(row[None])[0][0])(self.x))

    @cached_property
    def dx_dz(self) -> Tensor:
        """[D, D], the columns of z_a first."""
        return self.a_first(jacrev(lambda row: self.layer.inverse(row[None])[0][0])(self.z))

    def halves(self, row: Tensor) -> tuple[Tensor, Tensor]:
        a, b = self.layer.halves.split(row[None])
        return a[0], b[0]

    def scale_and_shift(self, x_a: Tensor) -> tuple[Tensor, Tensor]:
        s, t = self.layer.theta(x_a[None])
        return s[0], t[0]

    def a_first(self, matrix: Tensor) -> Tensor:
        order = torch.cat(self.halves(torch.arange(len(matrix))))
        return matrix[order][:, order]


def rows(layer: Coupling, count: int = 4) -> Tensor:
    """Rows [count, D] that the layer is defined on."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, layer.halves.dimension, generator=generator, dtype=torch.float64)


def points(layer: Coupling) -> list[Point]:
    return [Point(layer, row) for row in rows(layer)]


def lower(aa: Tensor, ba: Tensor, bb: Tensor) -> Tensor:
    """[[aa, 0], [ba, bb]]."""
    above = torch.zeros(len(aa), len(bb), dtype=aa.dtype)
    return torch.cat([torch.cat([aa, above], dim=1), torch.cat([ba, bb], dim=1)])


def ladj(jacobians: list[Tensor]) -> Tensor:
    result: Tensor = torch.linalg.slogdet(torch.stack(jacobians)).logabsdet
    return result


def same(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)


def sum_of_s(layer: Coupling, x: Tensor) -> Tensor:
    a, _ = layer.halves.split(x)
    return layer.theta(a)[0].sum(-1)


def log_q_of_wrong_sign(layer: TriangularCoupling, x: Tensor) -> Tensor:
    """The log q of the coursework, with exp(-s) on the diagonal of dz/dx."""
    return standard_normal_log_prob(layer.forward(x)[0]) + layer.matrix.log_abs_det() - sum_of_s(layer, x)


def log_q_without_det(couplings: list[TriangularCoupling], x: Tensor) -> Tensor:
    """The log q of the coursework, without det A."""
    total = torch.zeros(len(x), dtype=x.dtype)
    for layer in couplings:
        total = total + sum_of_s(layer, x)
        x, _ = layer.forward(x)
    return standard_normal_log_prob(x) + total


def with_constant_scale(layer: TriangularCoupling, s: Tensor) -> Tensor:
    """Set s [moving] to a constant and t to zero; returns the bias [2 * moving] that holds both."""
    last = layer.conditioner.linear_layers()[-1]
    last.weight.zero_()
    last.bias.copy_(torch.cat([s, torch.zeros_like(s)]))
    return last.bias


def shrunk(layer: TriangularCoupling, factor: float) -> TriangularCoupling:
    """The coupling with factor * A in place of A."""
    result = copy.deepcopy(layer)
    matrix = matrix_of(result)
    matrix.free.mul_(factor)
    matrix.upper.mul_(factor)
    matrix.diagonal.add_(math.log(factor))
    same(matrix.forward() / factor, matrix_of(layer).forward())
    return result


def integral(layer: TriangularCoupling, log_density: Callable[[Tensor], Tensor]) -> float:
    """The integral of exp(log_density) over a box of x that holds the image of the disc |z| <= 8."""
    angle, radius = torch.meshgrid(torch.linspace(0, 2 * math.pi, 200), torch.linspace(0.2, 8, 40), indexing="ij")
    disc = torch.stack([radius * torch.cos(angle), radius * torch.sin(angle)], dim=-1).reshape(-1, 2).double()
    known = layer.inverse(disc)[0].numpy()
    margin = 0.01 * np.ptp(known, axis=0)
    low, high = known.min(axis=0) - margin, known.max(axis=0) + margin
    result, _ = integrate(lambda x: np.exp(log_density(torch.from_numpy(x)).numpy()), low, high, known)
    return result
