"""`SourceTable`: a table as it was read, with what each column holds and where each row came from."""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from .fault import Fault

Values = npt.NDArray[np.float64]  # [rows]
Holds = Literal["numbers", "truth values", "text", "dates", "nothing", "other values"]
NamesFrom = Literal["header", "schema", "numbered", "first line is data"]

# Cells and examples that a report shows of one column.
SHOWN_CELLS: Final = 3


@dataclass(frozen=True, slots=True)
class CellExample:
    """One cell that is neither a number nor missing.

    Attributes:
        row: index of its row in the table, from 0; of all rows that were read, also where a sample of them is kept.
        text: the cell, shortened.
    """

    row: int
    text: str


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """One column of a table.

    Attributes:
        name: its name, without white space around it.
        holds: what its cells are.
        values: its numbers [rows], NaN where a cell is missing or wrong; truth values are 1 and 0. None for text,
            dates and other values.
        missing: number of missing cells.
        wrong: the first cells that are neither a number nor missing.
        wrong_count: number of these cells.
        examples: the first cells of a column without numbers.
        is_index: the column is the index of a DataFrame, by the metadata of its file or by its empty name.
    """

    name: str
    holds: Holds
    values: Values | None
    missing: int = 0
    wrong: tuple[CellExample, ...] = ()
    wrong_count: int = 0
    examples: tuple[str, ...] = ()
    is_index: bool = False


@dataclass(frozen=True, slots=True)
class SourcePart:
    """The rows of one file in a table.

    Attributes:
        name: the name of the file.
        first: number of rows before it in the table.
        unit: whether its rows are found by line or by row.
        anchors: (row in the part, line) from which on each row takes one line.
    """

    name: str
    first: int
    unit: Literal["line", "row"]
    anchors: tuple[tuple[int, int], ...] = ((0, 1),)


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A table as it was read.

    Attributes:
        sources: the names of the files.
        columns: the columns, in the order of the first file.
        rows: number of rows that `columns` hold.
        rows_read: number of rows of the files; more than `rows` if a sample was kept.
        names_from: where the names of the columns came from.
        parts: where rows came from.
        row_numbers: the index of each row among the rows that were read; None if all were kept.
        notes: sentences about each guess and each choice of the reader.
        faults: what only the person can decide or correct.
        sha256: digest of the bytes of the file; of the digests, where there are several files.
    """

    sources: tuple[str, ...]
    columns: tuple[SourceColumn, ...]
    rows: int
    rows_read: int
    names_from: NamesFrom
    parts: tuple[SourcePart, ...]
    row_numbers: npt.NDArray[np.int64] | None
    notes: tuple[str, ...]
    faults: tuple[Fault, ...]
    sha256: str

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns."""
        return tuple(column.name for column in self.columns)

    def where(self, row: int) -> str:
        """The place of a row of `columns`, such as "line 17 of readings.csv" or "row 17 of readings.npy"."""
        return self.place(row if self.row_numbers is None else int(self.row_numbers[row]))

    def place(self, row: int) -> str:
        """The place of a row among all rows that were read; lines and rows are counted from 1."""
        part = self.parts[bisect_right([each.first for each in self.parts], row) - 1]
        row -= part.first
        if part.unit == "row":
            return f"row {row + 1} of {part.name}"
        at, line = part.anchors[bisect_right([anchor for anchor, _ in part.anchors], row) - 1]
        return f"line {line + row - at} of {part.name}"
