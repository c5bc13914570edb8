"""The standard normal distribution in any number of columns, as a Density in NumPy."""

import copy
from typing import Self

import numpy as np

from diffeo.bundle import base
from diffeo.density import Direction, Output, Rows, Vector


class StandardNormal:
    """N(0, I) with the columns x0, x1, ...; forward and inverse are the identity."""

    def __init__(self, dimension: int) -> None:
        self.columns = tuple(f"x{index}" for index in range(dimension))

    def draw(
        self, num_samples: int, *, seed: int, start: int, temperature: float, outputs: tuple[Output, ...]
    ) -> dict[str, Rows]:
        z = base.draw(seed, start, num_samples, len(self.columns), temperature)
        return {output: self.log_prob(z) if output == "log_prob" else z for output in outputs}

    def log_prob(self, x: Rows) -> Vector:
        return base.log_prob(x)

    def transform(self, rows: Rows, direction: Direction) -> tuple[Rows, Vector]:
        assert direction in {"forward", "inverse"}
        return copy.copy(rows), np.zeros(len(rows))

    def __deepcopy__(self, _: object) -> Self:
        return self
