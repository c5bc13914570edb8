"""The training, validation and test rows of a table, as row numbers: the rows themselves are not copied."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float32] | npt.NDArray[np.float64]  # [n, D]
Numbers = npt.NDArray[np.int64]  # row numbers, from 0
Weights = npt.NDArray[np.float64]  # [n]
Float64 = npt.NDArray[np.float64]

# More held-out rows make the losses hardly more exact; the others train the flow.
MOST_VALIDATION_ROWS: Final = 50_000
MOST_TEST_ROWS: Final = 100_000
BLOCK_ROWS: Final = 65_536  # a copy of so many rows is small beside the table


@dataclass(frozen=True, slots=True)
class Split:
    """Disjoint rows for the fit, for the choice of the best weights, and for the final loss.

    >>> split = split_rows(np.arange(2000.0).reshape(1000, 2), seed=0)
    >>> len(split.train_rows), len(split.validation), len(split.test)
    (800, 100, 100)

    Attributes:
        table: all rows [n, D], in the user's units.
        train_rows: numbers of the rows for training; likewise `validation_rows` and `test_rows`.
        weights: importance of each row [n], of any positive scale; None weighs all rows alike.
    """

    table: Rows
    train_rows: Numbers
    validation_rows: Numbers
    test_rows: Numbers
    weights: Weights | None = None

    @property
    def train(self) -> Float64:
        """A copy of the training rows, float64."""
        return self.table[self.train_rows].astype(np.float64, copy=False)

    def train_columns(self) -> Iterator[Float64]:
        """A copy of the training rows of each column, one after the other: less memory than all at once."""
        for values in self.table.T:
            yield values[self.train_rows].astype(np.float64, copy=False)

    @property
    def validation(self) -> Float64:
        """A copy of the validation rows, float64."""
        return self.table[self.validation_rows].astype(np.float64, copy=False)

    @property
    def test(self) -> Float64:
        """A copy of the test rows, float64."""
        return self.table[self.test_rows].astype(np.float64, copy=False)

    def weights_of(self, numbers: Numbers) -> Weights | None:
        """The weights of these rows, scaled to mean 1; None without weights."""
        if self.weights is None:
            return None
        chosen = self.weights[numbers]
        scaled: Weights = chosen / chosen.mean()
        return scaled

    def moments(self) -> tuple[Float64, Float64]:
        """Weighted mean [D] and standard deviation [D] of each column of the training rows, in two passes by blocks.

        m = sum_i w_i x_i / sum_i w_i;  s^2 = sum_i w_i (x_i - m)^2 / sum_i w_i.
        """
        if self.weights is None and len(self.train_rows) <= BLOCK_ROWS:
            rows = self.train
            return rows.mean(axis=0), rows.std(axis=0)
        total = sum(float(w.sum()) for _, w in self._train_blocks())
        mean: Float64 = np.sum([w @ rows for rows, w in self._train_blocks()], axis=0) / total
        variance: Float64 = np.sum([w @ (rows - mean) ** 2 for rows, w in self._train_blocks()], axis=0) / total
        return mean, np.sqrt(variance)

    def _train_blocks(self) -> Iterator[tuple[Float64, Weights]]:
        for start in range(0, len(self.train_rows), BLOCK_ROWS):
            numbers = self.train_rows[start : start + BLOCK_ROWS]
            weights = np.ones(len(numbers)) if self.weights is None else self.weights[numbers]
            yield self.table[numbers].astype(np.float64, copy=False), weights


def split_rows(table: Rows, seed: int, weights: Weights | None = None) -> Split:
    """Split the rows of a table into 80 % train, 10 % validation and 10 % test, alike for seed and size everywhere.

    Tables above 500,000 rows hold out 50,000 rows for validation and up to 100,000 for the test.
    """
    # The order of sorted raw words is the same in every version of numpy; Generator.permutation may change.
    order = np.argsort(np.random.Philox(seed).random_raw(len(table)), kind="stable")
    tenth = len(table) // 10
    test, validation, train = (part.astype(np.int64) for part in np.split(order, [tenth, 2 * tenth]))
    spare = validation[MOST_VALIDATION_ROWS:], test[MOST_TEST_ROWS:]
    if any(map(len, spare)):
        train = np.concatenate([train, *spare])
    return Split(table, train, validation[:MOST_VALIDATION_ROWS], test[:MOST_TEST_ROWS], weights)
