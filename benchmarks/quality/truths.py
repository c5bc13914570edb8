"""Three more distributions of the plane with an exact density: a checkerboard, eight Gaussians, and two spirals."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Final

import numpy as np

from diffeo.training.targets import Circles, Moons, Rows, Target, Vector

SQUARES: Final = 4
TURNS: Final = 1.5
CENTRES: Final = 8
# Points of a spiral's middle line, closer than its noise, so that their mixture is its density.
POINTS: Final = 1500
ENTROPY_ROWS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Checkerboard(Target):
    """Uniform on the dark squares of a board of 4 x 4 squares of side 1; it has edges, and no noise."""

    noise: float = 0.0

    def draw(self, rows: int, generator: np.random.Generator) -> Rows:
        column = generator.integers(0, SQUARES, rows)
        row = 2 * generator.integers(0, SQUARES // 2, rows) + column % 2
        corner = np.stack([column, row], axis=1)
        return corner + generator.random((rows, 2)) - SQUARES / 2

    def log_prob(self, x: Rows) -> Vector:
        corner = np.floor(x + SQUARES / 2)
        is_dark = ((corner >= 0) & (corner < SQUARES)).all(axis=1) & (corner.sum(axis=1) % 2 == 0)
        return np.where(is_dark, -self.entropy(), -np.inf)

    def entropy(self) -> float:
        """The logarithm of the dark area."""
        return float(np.log(SQUARES**2 / 2))


@dataclass(frozen=True, slots=True)
class Points(Target):
    """An equal mixture of Gaussians of spread `noise` around points of the plane."""

    @abstractmethod
    def centres(self) -> Rows:
        """The points [K, 2]."""

    def draw(self, rows: int, generator: np.random.Generator) -> Rows:
        centres = self.centres()
        return self._blur(centres[generator.integers(0, len(centres), rows)], generator)

    def log_prob(self, x: Rows) -> Vector:
        centres = self.centres()
        return self._mixture_log_prob(x, centres, np.full(len(centres), -np.log(len(centres))))

    def entropy(self) -> float:
        """By the mean over a million rows; its error is about 0.001."""
        return -float(self.log_prob(self.draw(ENTROPY_ROWS, np.random.default_rng(0))).mean())


@dataclass(frozen=True, slots=True)
class EightGaussians(Points):
    """Eight Gaussians on a circle of radius 2."""

    noise: float = 0.2

    def centres(self) -> Rows:
        angle = 2 * np.pi * np.arange(CENTRES) / CENTRES
        return 2 * np.stack([np.cos(angle), np.sin(angle)], axis=1)


@dataclass(frozen=True, slots=True)
class TwoSpirals(Points):
    """Two arms that wind one and a half times around the centre, uniform in the square of the angle."""

    noise: float = 0.1

    def centres(self) -> Rows:
        angle = 2 * np.pi * TURNS * np.sqrt((np.arange(POINTS) + 0.5) / POINTS)
        arm = (angle / np.pi)[:, None] * np.stack([-np.cos(angle), np.sin(angle)], axis=1)
        return np.concatenate([arm, -arm])


TRUTHS: Final[dict[str, Target]] = {
    "moons": Moons(),
    "circles": Circles(),
    "checkerboard": Checkerboard(),
    "eight Gaussians": EightGaussians(),
    "two spirals": TwoSpirals(),
}


def divergence(truth: Vector, model: Vector) -> tuple[float, float]:
    """KL(truth || model) from the log densities of rows of the truth, and its standard error, nats.

    >>> divergence(np.zeros(4), np.array([-1.0, -1.0, -1.0, -1.0]))
    (1.0, 0.0)
    """
    difference = truth - model
    return float(difference.mean()), float(difference.std() / np.sqrt(len(difference)))
