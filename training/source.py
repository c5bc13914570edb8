"""Loads the rows of a recipe, from a target distribution or a file, and splits them by seed."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from . import data
from .recipe import Recipe
from .split import Rows, Split, split_rows
from .targets import Circles, Moons, Target


@dataclass(frozen=True, slots=True)
class Dataset:
    """The rows of one fit.

    Attributes:
        columns: D names.
        split: the rows for training, validation and test, with their weights.
        rows: number of rows in all.
        sha256: digest of all rows, or of the file.
        target: the distribution that the rows were drawn from; None for a file.
        train_of_pass: training rows [n, D] of a pass over them, counted from 0, in the order of `split.train_rows` and
            always the same for the same number; None if every pass takes `split.train`.
    """

    columns: tuple[str, ...]
    split: Split
    rows: int
    sha256: str
    target: Target | None
    train_of_pass: Callable[[int], Rows] | None = None


def load(recipe: Recipe) -> Dataset:
    """Draw or read the rows of a recipe.

    Raises:
        DataError: the rows of the file cannot be fitted; the message says where and why.
    """
    if recipe.data.file is not None:
        table = data.read_checked(Path(recipe.data.file))
        split = split_rows(table.rows, recipe.fit.seed)
        return Dataset(table.columns, split, len(table.rows), table.sha256, None)
    target = _target(recipe)
    rows = target.draw(recipe.data.rows, stream(recipe.fit.seed, "rows"))
    digest = hashlib.sha256(np.ascontiguousarray(rows).tobytes()).hexdigest()
    return Dataset(("x0", "x1"), split_rows(rows, recipe.fit.seed), len(rows), digest, target)


def stream(seed: int, purpose: str) -> np.random.Generator:
    """An independent random generator for each seed and purpose: fresh points never repeat training rows.

    >>> stream(1, "rows").random() == stream(1, "rows").random()
    True
    >>> stream(1, "rows").random() == stream(1, "fresh points").random()
    False
    """
    word = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "little")
    return np.random.Generator(np.random.Philox(key=np.array([seed, word], dtype=np.uint64)))


def moments(rows: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """rows [n, D] -> mean [D] and standard deviation [D] of each column."""
    return rows.mean(axis=0), rows.std(axis=0)


def _target(recipe: Recipe) -> Target:
    if recipe.data.target == "moons":
        return Moons(recipe.data.noise)
    return Circles(recipe.data.noise, recipe.data.factor)
