"""`Density`, the interface that a remote model and a local model share; forward maps data to latent rows, z = f(x)."""

import secrets
from dataclasses import dataclass
from operator import index
from typing import Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.floating]  # [rows, D]
Vector = npt.NDArray[np.floating]  # [rows]
Output = Literal["x", "log_prob", "z"]
Direction = Literal["forward", "inverse"]

# JSON numbers are exact integers below this bound.
SEED_LIMIT: Final = 2**53
# Rows of each array that `iter_samples` yields, unless the caller names another number.
STREAM_BLOCK_ROWS: Final = 65_536


class Density(Protocol):
    """One model that computes densities and samples. A row that has no answer is NaN in every output."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of x."""
        ...

    def draw(
        self, num_samples: int, *, seed: int, start: int, temperature: float, outputs: tuple[Output, ...]
    ) -> dict[str, Rows]:
        """The requested outputs of rows [start, start + num_samples) of the sample with this seed."""
        ...

    def log_prob(self, x: Rows) -> Vector:
        """Exact log density of each row, nats."""
        ...

    def transform(self, rows: Rows, direction: Direction) -> tuple[Rows, Vector]:
        """z (forward) or x (inverse) of each row, and log|det| of the Jacobian of that direction."""
        ...


@dataclass(frozen=True, slots=True)
class SeededSample:
    """Rows [start, start + num_samples) of the endless sample with this seed.

    Attributes:
        temperature: factor on z, above 0; 1 draws from the model itself.
    """

    num_samples: int
    seed: int
    start: int = 0
    temperature: float = 1.0

    def parameters(self, begin: int, count: int) -> dict[str, str | int | float]:
        """The parameters of a request for `count` of these rows, the first one `begin` rows after `start`."""
        first_row = self.start + begin
        return {"num_samples": count, "seed": self.seed, "start": first_row, "temperature": self.temperature}


def with_seed(num_samples: int, seed: int | None, start: int, temperature: float) -> SeededSample:
    """A sample that can be requested again: without a seed it gets a fresh one.

    >>> with_seed(3, 7, 0, 1.0)
    SeededSample(num_samples=3, seed=7, start=0, temperature=1.0)
    """
    # operator.index also accepts NumPy's integers.
    seed = fresh_seed() if seed is None else index(seed)
    return SeededSample(index(num_samples), seed, index(start), float(temperature))


def fresh_seed() -> int:
    """A random seed from the operating system's source, in [0, SEED_LIMIT)."""
    return secrets.randbelow(SEED_LIMIT)


def latent_columns(columns: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the columns of z: z0, z1, ...

    >>> latent_columns(("height", "weight"))
    ('z0', 'z1')
    """
    return tuple(f"z{number}" for number in range(len(columns)))
