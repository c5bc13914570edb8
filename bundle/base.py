"""The base distribution of z. Row i of a draw depends only on (seed, i), on every machine.

A row that needs W random words owns the Philox4x64-10 counter blocks [i * B, (i + 1) * B), B = ceil(W / 4).
Word k of a row becomes the uniform u_k = ((w_k >> 12) + 1/2) * 2^-52. For N(0, I), W is D, and z_k = ndtri(u_k).
So the batch size, chunks, pages, workers and devices cannot change a sample.

Reference: Salmon et al. (2011), Parallel random numbers: as easy as 1, 2, 3, SC'11, doi:10.1145/2063384.2063405.
"""

import math
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
from numpy.random import Philox
from scipy.special import ndtri

Rows = npt.NDArray[np.float32]  # [rows, D]
Vector = npt.NDArray[np.float32]  # [rows]
Array = npt.NDArray[np.float64]

WORDS_PER_BLOCK: Final = 4
# 52 bits, not 53: with 53 the largest word rounds to u = 1.0 and ndtri returns inf.
DISCARDED_BITS: Final = 12
UNIFORM_STEP: Final = 2.0**-52
# JSON clients represent integers exactly only below 2^53.
SEED_LIMIT: Final = 2**53
START_LIMIT: Final = 2**53


class Base(Protocol):
    """A distribution of z."""

    @property
    def dimension(self) -> int:
        """D, columns of z."""
        ...

    def draw(self, seed: int, start: int, count: int, temperature: float = 1.0) -> Rows:
        """Rows [start, start + count) of the endless sample named by `seed`.

        Args:
            seed: integer in [0, 2^53).
            start: first row, in [0, 2^53).
            count: number of rows; any split of a range into several draws gives the same bits.
            temperature: T > 0 scales the noise in float64, before z is rounded to float32.
        """
        ...

    def log_prob(self, z: npt.NDArray[np.floating], temperature: float = 1.0) -> Array:
        """Log density of each row at this temperature, nats."""
        ...

    def normal_scores(self, z: npt.NDArray[np.floating]) -> Array:
        """z [n, D] -> [n, D], independent standard normals if z follows this distribution."""
        ...

    def surface(self, directions: Array, radius: float) -> Array:
        """Points at `radius` standard deviations from each centre, in these directions [n, D] of length 1."""
        ...


@dataclass(frozen=True, slots=True)
class StandardNormal:
    """N(0, T^2 I) of D columns.

    Attributes:
        dimension: D.
    """

    dimension: int

    def draw(self, seed: int, start: int, count: int, temperature: float = 1.0) -> Rows:
        """Rows of a sample; see `Base`."""
        return draw(seed, start, count, self.dimension, temperature)

    def log_prob(self, z: npt.NDArray[np.floating], temperature: float = 1.0) -> Array:
        """Log density of each row, nats."""
        return log_prob(z, temperature)

    def normal_scores(self, z: npt.NDArray[np.floating]) -> Array:
        """z itself."""
        return np.asarray(z, dtype=np.float64)

    def surface(self, directions: Array, radius: float) -> Array:
        """The sphere: radius times the directions."""
        return radius * directions


def draw(seed: int, start: int, count: int, dimension: int, temperature: float = 1.0) -> Rows:
    """Rows [start, start + count) of the endless sample of N(0, temperature^2 I) named by `seed`.

    Args:
        seed: integer in [0, 2^53).
        start: first row, in [0, 2^53).
        count: number of rows; any split of a range into several draws gives the same bits.
        dimension: D, columns per row.
        temperature: T > 0; z is scaled by T in float64, before it is rounded to float32.
    """
    normal = np.asarray(ndtri(uniforms(seed, start, count, dimension)), dtype=np.float64)
    return (temperature * normal).astype(np.float32)


def uniforms(seed: int, start: int, count: int, words: int) -> Array:
    """The uniforms of rows [start, start + count), each inside (0, 1), [count, words]."""
    blocks = -(-words // WORDS_PER_BLOCK)
    generator = Philox(key=seed, counter=start * blocks)
    raw = generator.random_raw(count * blocks * WORDS_PER_BLOCK)
    raw = raw.reshape(count, blocks * WORDS_PER_BLOCK)[:, :words]
    return np.asarray(((raw >> DISCARDED_BITS) + 0.5) * UNIFORM_STEP)


def log_prob(z: npt.NDArray[np.floating], temperature: float = 1.0) -> Array:
    """Log density of N(0, T^2 I) of each row, in nats: -|z|^2 / (2 T^2) - D log T - D/2 log 2 pi.

    >>> log_prob(np.zeros((1, 2))).round(4)
    array([-1.8379])
    """
    dimension = z.shape[1]
    # Divided before it is squared: the square of a temperature below 1e-162 is 0.
    with np.errstate(over="ignore"):
        square = np.square(np.divide(z, temperature, dtype=np.float64)).sum(axis=1)
    scale = dimension * (math.log(temperature) + 0.5 * math.log(2 * math.pi))
    result: Array = -0.5 * square - scale
    return result


def tempered(base: Base, log_prob_1: Vector, z: Rows, temperature: float) -> Vector:
    """Log density of x = f^-1(z) when z follows the base at temperature T, from its log density at T = 1.

    The log-determinant is the same, so only the base term changes: log p_T(x) = log p_1(x) - log b_1(z) + log b_T(z).
    """
    shift = base.log_prob(z, temperature) - base.log_prob(z)
    return (log_prob_1 + shift).astype(np.float32)
