"""Draws from the base distribution N(0, I). Row i of a draw depends only on (seed, i), on every machine.

Row i of dimension D owns the Philox4x64-10 counter blocks [i * B, (i + 1) * B), B = ceil(D / 4).
Word k of a row becomes the uniform u_k = ((w_k >> 12) + 1/2) * 2^-52, and then the normal ndtri(u_k).
So the batch size, chunks, pages, workers and devices cannot change a sample.

Reference: Salmon et al. (2011), Parallel random numbers: as easy as 1, 2, 3, SC'11, doi:10.1145/2063384.2063405.
"""

import math
from typing import Final

import numpy as np
import numpy.typing as npt
from numpy.random import Philox
from scipy.special import ndtri

Rows = npt.NDArray[np.float32]  # [rows, D]
Vector = npt.NDArray[np.float32]  # [rows]

WORDS_PER_BLOCK: Final = 4
# 52 bits, not 53: with 53 the largest word rounds to u = 1.0 and ndtri returns inf.
DISCARDED_BITS: Final = 12
UNIFORM_STEP: Final = 2.0**-52
# JSON clients represent integers exactly only below 2^53.
SEED_LIMIT: Final = 2**53
START_LIMIT: Final = 2**53


def draw(seed: int, start: int, count: int, dimension: int, temperature: float = 1.0) -> Rows:
    """Rows [start, start + count) of the endless sample of N(0, temperature^2 I) named by `seed`.

    Args:
        seed: integer in [0, 2^53).
        start: first row, in [0, 2^53).
        count: number of rows; any split of a range into several draws gives the same bits.
        dimension: D, columns per row.
        temperature: T > 0; z is scaled by T in float64, before it is rounded to float32.
    """
    blocks = -(-dimension // WORDS_PER_BLOCK)
    generator = Philox(key=seed, counter=start * blocks)
    words = generator.random_raw(count * blocks * WORDS_PER_BLOCK)
    words = words.reshape(count, blocks * WORDS_PER_BLOCK)[:, :dimension]
    uniform = ((words >> DISCARDED_BITS) + 0.5) * UNIFORM_STEP  # [count, D], inside (0, 1)
    normal = np.asarray(ndtri(uniform), dtype=np.float64)
    return (temperature * normal).astype(np.float32)


def log_prob(z: npt.NDArray[np.floating], temperature: float = 1.0) -> npt.NDArray[np.float64]:
    """Log density of N(0, T^2 I) of each row, in nats: -|z|^2 / (2 T^2) - D log T - D/2 log 2 pi.

    >>> log_prob(np.zeros((1, 2))).round(4)
    array([-1.8379])
    """
    dimension = z.shape[1]
    # Divided before it is squared: the square of a temperature below 1e-162 is 0.
    with np.errstate(over="ignore"):
        square = np.square(np.divide(z, temperature, dtype=np.float64)).sum(axis=1)
    scale = dimension * (math.log(temperature) + 0.5 * math.log(2 * math.pi))
    result: npt.NDArray[np.float64] = -0.5 * square - scale
    return result


def tempered(log_prob_1: Vector, z: Rows, temperature: float) -> Vector:
    """Log density of x = f^-1(z) when z follows N(0, T^2 I), from its log density at T = 1.

    The log-determinant is the same, so only the base term changes: log p_T(x) = log p_1(x) - log b_1(z) + log b_T(z).
    """
    shift = log_prob(z, temperature) - log_prob(z)
    return (log_prob_1 + shift).astype(np.float32)
