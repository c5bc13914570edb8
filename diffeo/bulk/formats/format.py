"""The interface of a file format, `Format`, and the functions that several formats share to split files into blocks."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

import pyarrow as pa

from diffeo.tables.csv_numbers import Wrong
from diffeo.tables.reading.options import ReadOptions
from diffeo.tables.reading.text.dialect import Dialect

from ..block import RowRange
from ..location import HashingStream, Location

# Rows that a worker holds in memory at a time. With so many rows, the time of one step in Python does not matter.
READ_ROWS: Final = 65_536
SNIFFED: Final = ReadOptions()
STRICT: Final = Dialect()


@dataclass(frozen=True, slots=True)
class FileLayout:
    """The columns and the row ranges of one file.

    Attributes:
        schema: the columns; a file without column names gets the names "0", "1", ...
        has_names: whether the file itself names its columns.
        row_ranges: all rows of the file, in order, at most one block each.
        is_text: whether the cells are text, so that numbers must still be parsed.
        wrong: how the job reads a wrong cell or a row of another width: "refuse" raises an error, "null" makes it null.
        dialect: how a text spells its table.
    """

    schema: pa.Schema
    has_names: bool
    row_ranges: tuple[RowRange, ...]
    is_text: bool = False
    wrong: Wrong = "refuse"
    dialect: Dialect = STRICT


class RowWriter(Protocol):
    """Writes the rows of one block to a file."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows."""
        ...


class Format(Protocol):
    """One file format. Every method raises ValueError or OSError for a damaged file."""

    def layout(
        self, location: Location, block_rows: int, options: ReadOptions = SNIFFED, expected: Sequence[str] = ()
    ) -> FileLayout:
        """Read the columns of a file and split its rows into ranges of at most `block_rows`. Keeps no rows.

        `options` says how a text is read, and `expected` are the columns that the model takes.
        """
        ...

    def read(
        self, location: Location, layout: FileLayout, row_range: RowRange, names: Sequence[str]
    ) -> Iterator[pa.RecordBatch]:
        """Read these columns of a row range, at most READ_ROWS rows at a time."""
        ...

    def open_writer(self, stream: HashingStream, schema: pa.Schema, rows: int) -> AbstractContextManager[RowWriter]:
        """Start a file with this number of rows; equal rows give equal bytes."""
        ...


def split_batch(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Split a batch into batches of at most READ_ROWS rows."""
    for begin in range(0, batch.num_rows, READ_ROWS):
        yield batch.slice(begin, READ_ROWS)


def select_range(batches: Iterator[pa.RecordBatch], row_range: RowRange) -> Iterator[pa.RecordBatch]:
    """The rows of a range, from batches that begin `row_range.skip` rows before it."""
    skip, left = row_range.skip, row_range.rows
    for batch in batches:
        wanted = batch.slice(min(skip, batch.num_rows), left)
        skip -= min(skip, batch.num_rows)
        left -= wanted.num_rows
        yield from split_batch(wanted)
        if not left:
            return


def group_into_ranges(sizes: Sequence[int], block_rows: int) -> tuple[RowRange, ...]:
    """Group the row groups or batches of a file into ranges of at most `block_rows` rows.

    A range consists of as many whole groups as fit. A group with more rows is split into several ranges.

    >>> [(part.first, part.rows) for part in group_into_ranges([40, 50, 30, 250], 100)]
    [(0, 90), (90, 30), (120, 100), (220, 100), (320, 50)]

    Args:
        sizes: number of rows of each group.
        block_rows: most rows of a range.
    """
    ranges: list[RowRange] = []
    first = begin = 0
    while begin < len(sizes):
        end, rows = begin + 1, sizes[begin]
        while end < len(sizes) and rows + sizes[end] <= block_rows:
            rows += sizes[end]
            end += 1
        ranges += [
            RowRange(first + skip, min(block_rows, rows - skip), begin, end, skip)
            for skip in range(0, rows, block_rows)
        ]
        first, begin = first + rows, end
    return tuple(ranges)
