"""`MappedRows`: the rows of a table as the graphs take them, for a table with kinds of columns."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from diffeo.bundle.schema.column_kind import ColumnKind
from diffeo.runtime.column_map import ColumnMap

from ..split import BLOCK_ROWS, Numbers, Split

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MappedRows:
    """The rows of a split in both units.

    Attributes:
        kinds: the kind of each column that is not plain.
        column_map: x to y.
        split: x, in the user's units.
        inputs: y, with each atom and each whole number at the middle of its interval.
        is_supported: False for a row of density zero, by row of the table.
        unseen: columns of whole numbers with a bound that no training row holds, and that bound.
    """

    kinds: Mapping[str, ColumnKind]
    column_map: ColumnMap
    split: Split
    inputs: Split
    is_supported: npt.NDArray[np.bool_]
    unseen: tuple[tuple[int, float], ...] = ()

    @classmethod
    def of(cls, columns: tuple[str, ...], kinds: Mapping[str, ColumnKind], split: Split) -> Self:
        """Map the rows of a split."""
        column_map = ColumnMap.of(columns, kinds)
        y, is_supported = np.empty(split.table.shape), np.empty(len(split.table), np.bool_)
        for start in range(0, len(y), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            encoded = column_map.encode(split.table[block].astype(np.float64))
            y[block], is_supported[block] = encoded.y, encoded.is_supported
        inputs = Split(y, split.train_rows, split.validation_rows, split.test_rows, split.weights)
        return cls(kinds, column_map, split, inputs, is_supported, tuple(_unseen(columns, kinds, split)))

    def log_factor(self, numbers: Numbers, y: Array) -> Array:
        """Nats from the log density of y to that of x, [n], for these rows and y at any place of their intervals.

        It is log dy/ds at y, and log w for each atom. With y at a random place, the mean of log p(y) + log_factor is a
        lower bound of the log mass of the row, and equal to it where the density is flat in each interval.

        Reference: Theis, van den Oord, Bethge (2016), A note on the evaluation of generative models, section 3.1,
        arXiv:1511.01844.
        """
        factors = np.empty(len(numbers))
        for start in range(0, len(numbers), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            encoded = self.column_map.encode(self.split.table[numbers[block]].astype(np.float64))
            log_widths = encoded.log_factor - self.column_map.log_slope(encoded.y)
            factors[block] = self.column_map.log_slope(y[block].astype(np.float64)) + log_widths
        return factors

    def drawn_for_training(self, numbers: Numbers, generator: np.random.Generator) -> Array:
        """y of these training rows as `drawn` gives them, with each unseen bound in one row.

        A model of rows that all hold the same number has no reason to give another one any mass, and a rare flag that
        only held-out rows hold would then cost thousands of nats.
        """
        y = self.drawn(numbers, generator)
        for column, value in self.unseen:
            row = int(generator.integers(len(numbers)))
            x = self.split.table[numbers[row : row + 1]].astype(np.float64)
            x[:, column] = value
            y[row, column] = self.column_map.training_rows(x, generator.random(x.shape))[0, column]
        return y

    def drawn(self, numbers: Numbers, generator: np.random.Generator) -> Array:
        """y of these rows, with each atom and each whole number at a random place of its interval."""
        if not self.column_map.snaps:
            return self.inputs.table[numbers].astype(np.float64)
        y = np.empty((len(numbers), self.inputs.table.shape[1]))
        for start in range(0, len(numbers), BLOCK_ROWS):
            x = self.split.table[numbers[start : start + BLOCK_ROWS]].astype(np.float64)
            y[start : start + len(x)] = self.column_map.training_rows(x, generator.random(x.shape))
        return y


def _unseen(columns: tuple[str, ...], kinds: Mapping[str, ColumnKind], split: Split) -> Iterator[tuple[int, float]]:
    for column, (name, values) in enumerate(zip(columns, split.train_columns(), strict=True)):
        kind = kinds.get(name)
        if kind is None or not kind.integer:
            continue
        for bound in (kind.low, kind.high):
            if bound is not None and not (values == bound).any():
                yield column, bound
