"""Draws rows of a flow with the `random_state` argument of SciPy and scikit-learn instead of a seed."""

from operator import index
from typing import SupportsIndex

import numpy as np
from numpy.random import Generator, RandomState

from diffeo.density import SEED_LIMIT, Density, Rows

State = SupportsIndex | Generator | RandomState | None


def seed_from(state: State) -> int:
    """A seed in [0, SEED_LIMIT): a whole number is the seed itself, a generator is advanced by one number.

    None uses NumPy's global generator, as in SciPy and scikit-learn.

    >>> seed_from(7)
    7
    """
    if isinstance(state, Generator):
        return int(state.integers(SEED_LIMIT))
    if isinstance(state, RandomState):
        return int(state.randint(SEED_LIMIT, dtype=np.int64))
    if state is None:
        # np.random.seed must make this repeatable, as it does for everything else in both libraries.
        return int(np.random.randint(SEED_LIMIT, dtype=np.int64))  # noqa: NPY002
    return index(state)


def draw_rows(flow: Density, rows: int, seed: int) -> Rows:
    """Rows of x [rows, D] of the sample with this seed, also for zero rows, which a service refuses."""
    answer = flow.draw(max(1, rows), seed=seed, start=0, temperature=1.0, outputs=("x",))
    return np.ascontiguousarray(answer["x"][:rows])
