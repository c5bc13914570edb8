"""The tables that the models are fitted to: real ones from a folder, those of scikit-learn, and rows of exact truths.

A continuous density has no upper limit on rows whose values repeat: it can grow without end at such a value. So every
model gets the same rows, in which repeated values are spread: whole numbers over their steps, and a value that many
rows share over a hundredth of the column's spread.
"""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.quality.truths import TRUTHS
from benchmarks.tables.real import LOADERS, real_table
from diffeo.training.targets import Target

Rows = npt.NDArray[np.float64]

REAL: Final = ("protein", "magic.gamma", "pendigits", "shuttle")
# Sizes of the learning curve, of rows of magic.gamma and of protein.
CURVE: Final = (316, 1_000, 3_162, 10_000, 31_623, 45_730)
TRUTH_ROWS: Final = 100_000
# Changes of a table that should not change the loss of standardised columns.
CHANGES: Final[dict[str, Callable[[Rows], Rows]]] = {
    "permuted": lambda rows: rows[:, ::-1],
    "rescaled": lambda rows: rows * 10.0 ** np.where(np.arange(rows.shape[1]) % 2, 6, -6),
    "shifted": lambda rows: rows + 100 * rows.std(axis=0) * np.where(np.arange(rows.shape[1]) % 2, 1, -1),
}
COMMON: Final = 0.01  # share of the rows; a value that so many share is spread
SPREAD: Final = 0.01  # standard deviations
FEW_VALUES: Final = 20  # rows for each distinct value, on average, of a column of steps


@dataclass(frozen=True, slots=True)
class QualityTable:
    """Rows to fit.

    Attributes:
        rows: [n, D] in the user's units.
        truth: the distribution that they come from, if it is known.
    """

    rows: Rows
    truth: Target | None = None


def load(name: str, data: Path | None) -> QualityTable:
    """The table of this name: "protein", "wine", "moons", "protein 1000" for a part of it, or "protein shifted".

    Args:
        name: of the table.
        data: folder of the real tables.
    """
    if name in TRUTHS:
        truth = TRUTHS[name]
        return QualityTable(truth.draw(TRUTH_ROWS, np.random.default_rng(17)), truth)
    whole, _, part = name.partition(" ")
    rows = real_table(whole)[1] if whole in LOADERS else _read(whole, data)
    rows = without_repeats(rows[:, np.ptp(rows, axis=0) > 0], np.random.default_rng(19))
    if part in CHANGES:
        return QualityTable(CHANGES[part](rows))
    return QualityTable(np.random.default_rng(23).permutation(rows)[: int(part)] if part else rows)


def without_repeats(rows: Rows, generator: np.random.Generator) -> Rows:
    """The rows with repeated values spread.

    >>> whole = np.random.default_rng(0).integers(0, 9, (1000, 1)).astype(float)
    >>> spread = without_repeats(whole, np.random.default_rng(1))
    >>> len(np.unique(spread)), bool((np.abs(spread - whole) <= 0.5).all())
    (1000, True)
    """
    return np.stack([_spread(column, generator) for column in rows.T], axis=1)


def _spread(column: npt.NDArray[np.float64], generator: np.random.Generator) -> npt.NDArray[np.float64]:
    values, counts = np.unique(column, return_counts=True)
    places = generator.random(len(column)) - 0.5
    if len(values) * FEW_VALUES < len(column):
        return column + places * np.median(np.diff(values))
    common = np.isin(column, values[counts > COMMON * len(column)])
    return column + np.where(common, places * SPREAD * column.std(), 0.0)


def _read(name: str, data: Path | None) -> Rows:
    if data is None:
        raise SystemExit(f"{name} is read from a folder; name it with --data")
    readers: dict[str, Callable[[Path], Rows]] = {".npz": _npz, ".gz": _csv}
    for suffix, read in readers.items():
        for file in data.glob(f"{name}.*{suffix.removeprefix('.')}"):
            return read(file)
    raise SystemExit(f"no table {name} in {data}")


def _npz(file: Path) -> Rows:
    rows: Rows = np.load(file)["X"].astype(np.float64)
    return rows


def _csv(file: Path) -> Rows:
    with gzip.open(file, "rt") as text:
        return np.loadtxt(text, delimiter=",", dtype=np.float64)
