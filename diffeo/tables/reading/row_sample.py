"""Keeps all rows of a stream of blocks, or a seeded sample of them; the same rows give the same sample everywhere."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .source_table import Values

Chunk = list[Values | None]  # the columns of some rows


class RowStore:
    """Columns of rows that are added block after block.

    With `max_rows`, each row gets a random word that depends only on the seed and its number, and the rows with the
    smallest words are kept, in their order. So at most about twice `max_rows` rows are in memory.

    Args:
        max_rows: the most rows that are kept; None keeps all.
        seed: seed of the random words.
    """

    def __init__(self, max_rows: int | None, seed: int) -> None:
        self._max_rows = max_rows
        self._words = np.random.Philox(seed)
        self._chunks: list[Chunk] = []
        self._kept_words: list[npt.NDArray[np.uint64]] = []
        self._kept_numbers: list[npt.NDArray[np.int64]] = []
        self._limit = np.iinfo(np.uint64).max
        self._kept = 0
        self.rows_read = 0

    def add(self, columns: Sequence[Values | None], rows: int) -> None:
        """Add the columns of some rows; None for a column without numbers."""
        first, self.rows_read = self.rows_read, self.rows_read + rows
        if self._max_rows is None:
            self._chunks.append(list(columns))
            return
        words = self._words.random_raw(rows)
        chosen = np.flatnonzero(words <= self._limit)
        self._chunks.append([None if column is None else column[chosen] for column in columns])
        self._kept_words.append(words[chosen])
        self._kept_numbers.append(chosen + first)
        self._kept += len(chosen)
        if self._kept > 2 * self._max_rows:
            self._shrink(self._max_rows)

    def columns(self, width: int) -> tuple[list[Values | None], npt.NDArray[np.int64] | None]:
        """The columns of all rows that are kept, and the numbers of these rows; None if all rows are kept.

        A column that some block had no numbers of is None.
        """
        numbers = None
        if self._max_rows is not None and self.rows_read > self._max_rows:
            self._shrink(self._max_rows)
            numbers = np.concatenate(self._kept_numbers)
        found: list[Values | None] = []
        for position in range(width):
            found.append(_joined([chunk[position] for chunk in self._chunks]))
            # Memory of the blocks is given back column by column.
            for chunk in self._chunks:
                chunk[position] = None
        return found, numbers

    def _shrink(self, count: int) -> None:
        words, numbers = np.concatenate(self._kept_words), np.concatenate(self._kept_numbers)
        if len(words) > count:
            limit = np.partition(words, count - 1)[count - 1]
            chosen = np.flatnonzero(words <= limit)
            self._limit = limit
        else:
            chosen = np.arange(len(words))
        columns = [_joined([chunk[position] for chunk in self._chunks]) for position in range(len(self._chunks[0]))]
        self._chunks = [[None if column is None else column[chosen] for column in columns]]
        self._kept_words, self._kept_numbers, self._kept = [words[chosen]], [numbers[chosen]], len(chosen)


def _joined(parts: list[Values | None]) -> Values | None:
    found = [part for part in parts if part is not None]
    if not found or len(found) < len(parts):
        return None
    return found[0] if len(found) == 1 else np.concatenate(found)
