"""Reads every column of numbers in a CSV text, segment after segment into one array; it stops at a limit."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from .csv_numbers import (
    SEGMENT_BYTES,
    Numbers,
    SegmentStart,
    numbers,
    read_cell_by_cell,
    read_number_columns,
    read_with_pyarrow,
    segments,
)
from .csv_text import Header
from .errors import TooManyCells, WrongCell

# Bytes that are read cell by cell at once.
SLOW_BYTES: Final = 2**17
# Rows that are moved at once when columns are left out.
MOVED_ROWS: Final = 4096


@dataclass(frozen=True, slots=True)
class Size:
    """The most rows and cells that a table may have."""

    rows: int
    cells: int


@dataclass(frozen=True, slots=True)
class Readable:
    """The columns of a table that hold numbers, and an error for each other column.

    Attributes:
        positions: positions of these columns in the table, ascending.
        rows: their numbers [rows, columns].
        wrong: the first wrong cell of each other column.
    """

    positions: tuple[int, ...]
    rows: Numbers
    wrong: tuple[WrongCell, ...]


def readable(text: bytes, header: Header, most: Size | None = None) -> Readable:
    """The numbers of every column that holds numbers, for a caller that gets the names of the model's columns later.

    In a table without names every column must hold numbers, because the model takes all of its columns.

    Args:
        text: whole records, as `csv_text.body` returns them.
        header: line 1 of the table.
        most: where reading stops; a short text may be read beyond it.

    Raises:
        WrongTable: as `numbers`; but in a table with names a wrong cell is not an error.
        TooManyCells: the table is larger than `most`.
    """
    every = tuple(range(header.width))
    if not text:
        return Readable(every, numbers(text, header, every), ())
    is_one_segment = len(text) <= SEGMENT_BYTES
    if is_one_segment and (rows := read_with_pyarrow(text, header, every)) is not None:
        return Readable(every, rows, ())
    positions, wrong = every, dict[int, WrongCell]()
    gathered = _GatheredRows(text, header.width, most)
    start = SegmentStart(header, 0, header.lines)
    for segment in segments(text):
        rows = None if is_one_segment else read_with_pyarrow(segment, header, positions)
        for part in segments(segment, SLOW_BYTES) if rows is None else [segment]:
            if rows is not None:
                found = rows
            elif header.names is None:
                found = read_cell_by_cell(part, start, every, "refuse")
            else:
                found, more = read_number_columns(part, start, positions)
                wrong |= more
                positions = tuple(column for column in positions if column not in wrong)
            gathered.add(found, positions)
            start = SegmentStart(header, start.rows_before + len(found), start.lines_before + part.count(b"\n"))
    return Readable(positions, gathered.columns(positions), tuple(wrong[column] for column in sorted(wrong)))


class _GatheredRows:
    # Memory that is not written to is not used, so room for every cell of the text is reserved: a cell takes at least
    # one byte with its separator.

    def __init__(self, text: bytes, width: int, most: Size | None) -> None:
        self._width = width
        self._most = most
        self._count = 0
        self._cells: Numbers = np.empty(len(text) + 1)

    def add(self, rows: Numbers, positions: tuple[int, ...]) -> None:
        """Add the rows of a segment, which has only the columns at these positions."""
        begin, self._count = self._count, self._count + len(rows)
        if self._most is not None:
            self._check(self._most)
        target = self._cells[begin * self._width : self._count * self._width].reshape(len(rows), self._width)
        target[:, slice(None) if len(positions) == self._width else list(positions)] = rows

    def columns(self, positions: tuple[int, ...]) -> Numbers:
        """The columns at these positions; the memory of the others is given back."""
        width = len(positions)
        if width < self._width:
            table = self._cells[: self._count * self._width].reshape(self._count, self._width)
            for at in range(0, self._count, MOVED_ROWS):
                moved = table[at : at + MOVED_ROWS, list(positions)]
                self._cells[at * width : at * width + moved.size] = moved.reshape(-1)
        self._cells.resize(self._count * width, refcheck=False)
        return self._cells.reshape(self._count, width)

    def _check(self, most: Size) -> None:
        if self._count > most.rows:
            raise TooManyCells(f"the table has more than {most.rows} rows, which is the limit")
        if self._count * self._width > most.cells:
            raise TooManyCells(f"the table has more than {most.cells} cells, which is the limit")
