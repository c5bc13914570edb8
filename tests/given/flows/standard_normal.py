"""The standard normal law as a Density of any width, in NumPy."""

import copy
from typing import Self

import numpy as np

from diffeo.bundle import base


class Normal:
    """N(0, I) in so many columns, x0, x1, ..."""

    def __init__(self, dimension: int) -> None:
        self.columns = tuple(f"x{index}" for index in range(dimension))

    def draw(
        self, num_samples: int, *, seed: int, start: int, temperature: float, parts: tuple[str, ...]
    ) -> dict[str, np.ndarray]:
        z = base.draw(seed, start, num_samples, len(self.columns), temperature)
        return {part: self.log_prob(z) if part == "log_prob" else z for part in parts}

    def log_prob(self, x: np.ndarray) -> np.ndarray:
        return base.log_prob(x)

    def transform(self, rows: np.ndarray, direction: str) -> tuple[np.ndarray, np.ndarray]:
        assert direction in {"forward", "inverse"}
        return copy.copy(rows), np.zeros(len(rows))

    def __deepcopy__(self, _: object) -> Self:
        return self
