"""The verbs of a density, the same over HTTP and in this process; forward is data to latent, z = f(x)."""

from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.floating]  # [rows, D]
Vector = npt.NDArray[np.floating]  # [rows]
Part = Literal["x", "log_prob", "z"]
Direction = Literal["forward", "inverse"]


class Density(Protocol):
    """One model that can be asked; a row that cannot be answered is NaN."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of x."""
        ...

    def draw(
        self, num_samples: int, *, seed: int, start: int, temperature: float, parts: tuple[Part, ...]
    ) -> dict[str, Rows]:
        """Rows [start, start + num_samples) of the sample that `seed` names, with the parts asked for."""
        ...

    def log_prob(self, x: Rows) -> Vector:
        """Exact log density of each row, nats."""
        ...

    def transform(self, rows: Rows, direction: Direction) -> tuple[Rows, Vector]:
        """z or x of each row, and the log|det| of that direction."""
        ...
