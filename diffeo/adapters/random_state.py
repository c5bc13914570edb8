"""Rows of a flow for who has a random_state instead of a seed: the same state names the same sample."""

from operator import index

import numpy as np
from numpy.random import Generator, RandomState

from diffeo.density import SEED_LIMIT, Density, Rows

State = int | Generator | RandomState | None


def seed_of(state: State) -> int:
    """A whole number is the seed itself; a generator gives the next one; None is NumPy's global generator."""
    if isinstance(state, Generator):
        return int(state.integers(SEED_LIMIT))
    if isinstance(state, RandomState):
        return int(state.randint(SEED_LIMIT, dtype=np.int64))
    if state is None:
        # So that np.random.seed governs this too, as it does everything else of both libraries.
        return int(np.random.randint(SEED_LIMIT, dtype=np.int64))  # noqa: NPY002
    return index(state)


def drawn(flow: Density, rows: int, seed: int) -> Rows:
    """x [rows, D]; a service is never asked for none."""
    drawn = flow.draw(max(1, rows), seed=seed, start=0, temperature=1.0, outputs=("x",))
    return np.ascontiguousarray(drawn["x"][:rows])
