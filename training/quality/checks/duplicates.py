"""Counts rows that repeat another row."""

from typing import Final

import numpy as np
import numpy.typing as npt

from diffeo.bundle.schema.quality import Duplicates

from ..rounding import rounded
from ..thinning import thinned

Array = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint64]

MOST_ROWS: Final = 1_000_000


def count_duplicates(train: Array, held_out: Array, samples: Array, seed: int = 0) -> Duplicates:
    """The shares of rows that repeat an earlier row of their table, and of held-out rows that are training rows.

    Args:
        train: rows [n, D]; at most 1,000,000 of them are compared.
        held_out: rows [m, D].
        samples: rows [k, D].
        seed: of the chosen rows.

    >>> count_duplicates(np.array([[1.0], [1.0], [2.0]]), np.array([[2.0]]), np.array([[3.0]])).train
    0.333333
    """
    fitted, new, drawn = (np.sort(fingerprints(_limited(rows, seed))) for rows in (train, held_out, samples))
    places = np.minimum(np.searchsorted(fitted, new), len(fitted) - 1)
    return Duplicates(
        train=_repeats(fitted),
        held_out=_repeats(new),
        samples=_repeats(drawn),
        held_out_in_train=rounded(float((fitted[places] == new).mean())),
    )


def fingerprints(rows: Array) -> Words:
    """A word of 64 bits for each row [n, D]; equal rows have equal words, and different rows almost never.

    Each number is mixed by the finaliser of MurmurHash3 before the columns are summed: the bits of small whole numbers
    are zero but for the first twelve. Two of a million rows have the same word by chance with probability 3e-8.

    Reference: Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators, fig. 14,
    doi:10.1145/2660193.2660195.
    """
    # -0.0 and 0.0 are equal numbers with different bits.
    words: Words = np.frombuffer((np.ascontiguousarray(rows) + 0.0).tobytes(), np.uint64).reshape(rows.shape)
    # The position of a column enters, so that a row and its reverse differ.
    positions: Words = np.arange(1, rows.shape[1] + 1).astype(np.uint64)
    words = words + positions * np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    words = (words ^ (words >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    words = words ^ (words >> np.uint64(33))
    sums: Words = words.sum(axis=1, dtype=np.uint64)
    return sums


def _repeats(ascending: Words) -> float:
    return rounded(float((ascending[1:] == ascending[:-1]).sum() / len(ascending)))


def _limited(rows: Array, seed: int) -> Array:
    return rows if len(rows) <= MOST_ROWS else rows[thinned(len(rows), MOST_ROWS, seed)]
