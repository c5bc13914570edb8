"""The verbs of a density, the same over HTTP and in this process; forward is data to latent, z = f(x)."""

import secrets
from dataclasses import dataclass
from operator import index
from typing import Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.floating]  # [rows, D]
Vector = npt.NDArray[np.floating]  # [rows]
Part = Literal["x", "log_prob", "z"]
Direction = Literal["forward", "inverse"]

# Integers of JSON are exact below it.
SEED_LIMIT: Final = 2**53
# Rows of one array where a sample comes in several.
BLOCK_ROWS: Final = 65_536


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


@dataclass(frozen=True, slots=True)
class Draw:
    """Rows [start, start + num_samples) of the endless sample that `seed` names."""

    num_samples: int
    seed: int
    start: int = 0
    temperature: float = 1.0

    def rows(self, begin: int, count: int) -> dict[str, str | int | float]:
        """The parameters that ask for `count` of them, `begin` rows after the first."""
        rows = {"num_samples": count, "seed": self.seed, "start": self.start + begin}
        return {**rows, "temperature": self.temperature}


def settled(num_samples: int, seed: int | None, start: int, temperature: float) -> Draw:
    """The draw that is meant: without a seed a fresh one, so that each part of it can be asked for again."""
    # NumPy's integers are integers too.
    count, chosen = index(num_samples), fresh_seed() if seed is None else index(seed)
    return Draw(count, chosen, index(start), float(temperature))


def fresh_seed() -> int:
    """A seed that nobody knows."""
    return secrets.randbelow(SEED_LIMIT)


def latent(columns: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the columns of z."""
    return tuple(f"z{number}" for number in range(len(columns)))
