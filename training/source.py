"""Loads the rows of a recipe, from a target distribution or a table, and splits them by seed."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from diffeo.bundle.schema.column_kind import ColumnKind
from diffeo.runtime.column_map import ColumnMap
from diffeo.tables.reading.read import read_table
from diffeo.tables.reading.source_table import SourceTable

from .columns.kinds import manifest_kinds
from .columns.mapped_rows import MappedRows
from .errors import DataError
from .inspection import TableReport, chosen, inspect, render
from .recipe import Recipe
from .split import Numbers, Rows, Split, split_rows
from .targets import Circles, Moons, Target

Array = npt.NDArray[np.float64]


# A few held-out rows are drawn at so many places of their intervals, until there are so many rows.
MOST_DRAWS: Final = 8
DRAWN_ROWS: Final = 4000


@dataclass(frozen=True, slots=True)
class Dataset:
    """The rows of one fit.

    Attributes:
        columns: D names.
        split: the rows for training, validation and test in the user's units, with their weights.
        rows: number of rows in all.
        sha256: digest of all rows, or of the file.
        target: the distribution that the rows were drawn from; None for a file.
        train_of_pass: training rows [n, D] of a pass, counted from 0, as the graphs take them, in the order of
            `split.train_rows` and always the same for the same number; None if every pass takes the same rows.
        mapped: the rows as the graphs take them; None if every column is plain.
        report: the look at the table; None for a target.
    """

    columns: tuple[str, ...]
    split: Split
    rows: int
    sha256: str
    target: Target | None
    train_of_pass: Callable[[int], Rows] | None = None
    mapped: MappedRows | None = None
    report: TableReport | None = field(default=None, repr=False)

    @property
    def inputs(self) -> Split:
        """The rows as the graphs take them: y, which is x where every column is plain."""
        return self.split if self.mapped is None else self.mapped.inputs

    @property
    def column_map(self) -> ColumnMap | None:
        """The map from x to y; None if every column is plain."""
        return None if self.mapped is None else self.mapped.column_map

    @property
    def kinds(self) -> "dict[str, ColumnKind] | MappingProxyType[str, ColumnKind]":
        """The kind of each column that is not plain."""
        return MappingProxyType({}) if self.mapped is None else dict(self.mapped.kinds)

    @property
    def draws(self) -> int:
        """How often held-out rows are drawn: several times where they have intervals and are few."""
        is_spread = self.mapped is not None and self.mapped.column_map.snaps
        return max(1, min(MOST_DRAWS, DRAWN_ROWS // max(1, len(self.split.validation_rows)))) if is_spread else 1

    def drawn_often(self, numbers: Numbers, seed: int, purpose: str) -> Array:
        """`draws` times these rows as the graphs take them, [draws * n, D], one draw after the other."""
        return np.concatenate(
            [self.drawn(numbers, stream(seed, f"{purpose}, draw {draw}")) for draw in range(self.draws)]
        )

    def log_factor(self, numbers: Numbers, y: Array) -> Array:
        """Nats from log p(y) to log p(x) for the rows of one draw or of several, [len(y)]; 0 if columns are plain."""
        if self.mapped is None:
            return np.zeros(len(y))
        return self.mapped.log_factor(np.tile(numbers, len(y) // len(numbers)), y)

    def drawn(self, numbers: Numbers, generator: np.random.Generator) -> Array:
        """These rows as the graphs take them, with each atom and whole number at a random place of its interval."""
        if self.mapped is None:
            return self.split.table[numbers].astype(np.float64)
        return self.mapped.drawn(numbers, generator)

    def drawn_for_training(self, numbers: Numbers, generator: np.random.Generator) -> Array:
        """These training rows as `drawn` gives them, with each bound of whole numbers that none holds in one row."""
        if self.mapped is None:
            return self.drawn(numbers, generator)
        return self.mapped.drawn_for_training(numbers, generator)


def load(recipe: Recipe, table: SourceTable | None = None) -> Dataset:
    """Draw the rows of a recipe, or read and inspect its table.

    Args:
        recipe: its section [data] says what is read and which rows and columns are taken.
        table: a table that was read already, in place of the files of the recipe.

    Raises:
        TableError: a file cannot be read; the message says where and why.
        DataError: the rows cannot be fitted; the message is the report of the table with all its faults.
    """
    if recipe.data.target is None:
        return _of_table(recipe, read(recipe) if table is None else table)
    target = _target(recipe)
    rows = target.draw(recipe.data.rows, stream(recipe.fit.seed, "rows"))
    digest = hashlib.sha256(np.ascontiguousarray(rows).tobytes()).hexdigest()
    return Dataset(("x0", "x1"), split_rows(rows, recipe.fit.seed), len(rows), digest, target)


def read(recipe: Recipe) -> SourceTable:
    """Read the files of a recipe.

    Raises:
        TableError: a file is missing, is damaged, or has a format that is not read.
    """
    options = recipe.data.read_options(recipe.fit.seed, progress=True)
    return read_table(recipe.data.files, options)


def read_in_memory(recipe: Recipe, table: object) -> SourceTable:
    """Read a DataFrame or an array as a recipe says.

    Raises:
        TableError: the object is no table.
    """
    return read_table(table, recipe.data.read_options(recipe.fit.seed, progress=False))


def _of_table(recipe: Recipe, table: SourceTable) -> Dataset:
    choices = recipe.data.choices()
    report = inspect(table, choices)
    if not report.ok:
        raise DataError(render(report))
    taken, sha256 = chosen(table, report, choices), table.sha256
    # The chosen rows are a copy. A large table is freed before more memory is taken.
    del table
    split = split_rows(taken.rows, recipe.fit.seed, taken.weights)
    kinds = manifest_kinds(taken.columns, taken.kinds, split.train_columns())
    if not kinds:
        return Dataset(taken.columns, split, len(taken.rows), sha256, None, report=report)
    mapped = MappedRows.of(taken.columns, kinds, split)
    _check_supported(mapped, taken.columns)
    of_pass = _train_of_pass(mapped, recipe.fit.seed) if mapped.column_map.snaps else None
    return Dataset(taken.columns, split, len(taken.rows), sha256, None, of_pass, mapped, report)


def _train_of_pass(mapped: MappedRows, seed: int) -> Callable[[int], Rows]:
    return lambda number: mapped.drawn_for_training(mapped.split.train_rows, stream(seed, f"places of pass {number}"))


def _check_supported(mapped: MappedRows, columns: tuple[str, ...]) -> None:
    if mapped.is_supported.all():
        return
    row = int(np.flatnonzero(~mapped.is_supported)[0])
    values = ", ".join(f"{name} = {value:.6g}" for name, value in zip(columns, mapped.split.table[row], strict=True))
    raise DataError(
        f"{int((~mapped.is_supported).sum())} rows are outside of the bounds of their columns, or not whole; the first "
        f"holds {values}; change --bounds or --integers"
    )


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
