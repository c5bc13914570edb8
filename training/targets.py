"""Targets: two-dimensional distributions with an exact density, against which a fit can be measured.

Angles are drawn uniformly at random. On a regular grid of angles, training and test rows would share the grid, and the
distribution would have no density to compare with.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import i0e

Rows = npt.NDArray[np.float64]  # [rows, 2]
Vector = npt.NDArray[np.float64]  # [rows], nats

# Gauss-Legendre converges geometrically once the nodes are closer than the noise: 512 nodes on [0, pi] are 0.006
# apart, so noise >= 0.02 is integrated to about 1e-13.
NODES: Final = 512
# Without the noise, both targets lie in this square.
BOX: Final = (-1.0, 2.0)
# The products of a block of this many rows with all nodes stay in the processor's cache.
BLOCK_ROWS: Final = 128


@dataclass(frozen=True, slots=True)
class Target(ABC):
    """A distribution with an exact density, blurred by a Gaussian of standard deviation `noise`."""

    noise: float

    @abstractmethod
    def draw(self, rows: int, generator: np.random.Generator) -> Rows:
        """Draw independent rows [rows, 2]."""

    @abstractmethod
    def log_prob(self, x: Rows) -> Vector:
        """The exact log density of x [n, 2], nats [n]."""

    def entropy(self) -> float:
        """Entropy in nats: the mean loss of the perfect model, and the lowest mean loss of any model.

        Computed by the trapezoid rule on a grid of half the noise, which is exact to rounding for smooth densities.

        >>> round(Moons(0.05).entropy(), 4)
        0.2892
        """
        step, margin = 0.5 * self.noise, 8 * self.noise
        axis = np.arange(BOX[0] - margin, BOX[1] + margin, step)
        grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
        log_prob = self.log_prob(grid)
        return float(-(np.exp(log_prob) * log_prob).sum() * step**2)

    def _blur(self, x: Rows, generator: np.random.Generator) -> Rows:
        return x + self.noise * generator.standard_normal(x.shape)

    def _mixture_log_prob(self, x: Rows, centres: Rows, log_weights: Vector) -> Vector:
        """Log density of sum_k exp(log_weights_k) N(x; centres_k, noise^2 I)."""
        blocks = [x[start : start + BLOCK_ROWS] for start in range(0, len(x), BLOCK_ROWS)]
        return np.concatenate([self._one_block(block, centres, log_weights) for block in blocks])

    def _one_block(self, x: Rows, centres: Rows, log_weights: Vector) -> Vector:
        # |x - c|^2 multiplied out: one matrix product instead of three passes over [rows, 2 NODES, 2].
        square = (x**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1) - 2 * (x @ centres.T)
        terms = log_weights - square / (2 * self.noise**2)
        top = terms.max(axis=1)
        log_sum: Vector = top + np.log(np.exp(terms - top[:, None]).sum(axis=1))
        result: Vector = log_sum - np.log(2 * np.pi * self.noise**2)
        return result


@dataclass(frozen=True, slots=True)
class Moons(Target):
    """Two half circles of radius 1, uniform in angle, blurred: the population of scikit-learn's `make_moons`.

    p(x) = 1/2 sum_k 1/pi int_0^pi N(x; c_k(angle), noise^2 I) d angle, by Gauss-Legendre quadrature, with
    c_1 = (cos, sin) and c_2 = (1 - cos, 1/2 - sin).
    """

    noise: float = 0.05

    def draw(self, rows: int, generator: np.random.Generator) -> Rows:
        angle = np.pi * generator.random(rows)
        upper, lower = _half_circles(angle)
        pick = generator.random(rows) < 0.5  # noqa: PLR2004  (each moon has half the mass)
        return self._blur(np.where(pick[:, None], upper, lower), generator)

    def log_prob(self, x: Rows) -> Vector:
        nodes, weights = np.polynomial.legendre.leggauss(NODES)
        centres = np.concatenate(_half_circles(0.5 * np.pi * (nodes + 1)))  # [2 NODES, 2]
        log_weights = np.log(np.concatenate([weights, weights]) / 4)  # sums to 1 over both moons
        return self._mixture_log_prob(x, centres, log_weights)


@dataclass(frozen=True, slots=True)
class Circles(Target):
    """Two concentric circles of radius 1 and `factor`, uniform in angle, blurred: scikit-learn's `make_circles`.

    p(x) = 1/2 sum_r exp(-(|x|^2 + r^2) / (2 noise^2)) I0(|x| r / noise^2) / (2 pi noise^2), I0 the Bessel function.
    """

    noise: float = 0.05
    factor: float = 0.5

    def draw(self, rows: int, generator: np.random.Generator) -> Rows:
        angle = 2 * np.pi * generator.random(rows)
        radius = np.where(generator.random(rows) < 0.5, 1.0, self.factor)  # noqa: PLR2004  (each has half the mass)
        circle = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return self._blur(circle, generator)

    def log_prob(self, x: Rows) -> Vector:
        distance = np.linalg.norm(x, axis=1)
        rings = [self._ring(distance, radius) for radius in (1.0, self.factor)]
        mixture: Vector = np.logaddexp(rings[0], rings[1]) - np.log(2 * 2 * np.pi * self.noise**2)
        return mixture

    def _ring(self, distance: Vector, radius: float) -> Vector:
        # i0e(a) = exp(-a) I0(a) stays finite where I0 overflows, and completes the square in the exponent.
        variance = self.noise**2
        bessel: Vector = np.log(i0e(distance * radius / variance))
        result: Vector = bessel - (distance - radius) ** 2 / (2 * variance)
        return result


def _half_circles(angle: Vector) -> tuple[Rows, Rows]:
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.stack([cosine, sine], axis=1), np.stack([1 - cosine, 0.5 - sine], axis=1)
