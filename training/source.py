"""Rows for a recipe: drawn from a target or read from a file, split by seed, with the digest that names them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from . import data
from .data import Split
from .recipe import Recipe
from .targets import Circles, Moons, Target


@dataclass(frozen=True, slots=True)
class Source:
    """The rows of one fit: columns, the three splits, the digest of all rows, and the law behind them if known."""

    columns: tuple[str, ...]
    split: Split
    rows: int
    sha256: str
    target: Target | None


def load(recipe: Recipe) -> Source:
    """Draw or read the rows of a recipe.

    Raises:
        DataError: the file's rows cannot be fitted; the sentence says where and why.
    """
    if recipe.data.file is not None:
        table = data.read_checked(Path(recipe.data.file))
        split = data.split(table.rows, recipe.fit.seed)
        return Source(table.columns, split, len(table.rows), table.sha256, None)
    target = _target(recipe)
    rows = target.draw(recipe.data.rows, stream(recipe.fit.seed, "rows"))
    digest = hashlib.sha256(np.ascontiguousarray(rows).tobytes()).hexdigest()
    return Source(("x0", "x1"), data.split(rows, recipe.fit.seed), len(rows), digest, target)


def stream(seed: int, purpose: str) -> np.random.Generator:
    """An independent random stream for each purpose, so that fresh points are fresh."""
    word = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "little")
    return np.random.Generator(np.random.Philox(key=np.array([seed, word], dtype=np.uint64)))


def moments(rows: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and standard deviation of each column."""
    return rows.mean(axis=0), rows.std(axis=0)


def _target(recipe: Recipe) -> Target:
    if recipe.data.target == "moons":
        return Moons(recipe.data.noise)
    return Circles(recipe.data.noise, recipe.data.factor)
