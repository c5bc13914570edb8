"""Reads the columns of a strict text, block after block: with pyarrow where it can, else cell by cell."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Final

import numpy as np

from diffeo.errors import TableError

from ... import csv_numbers, csv_records, csv_text
from ...cells import shown
from ...csv_text import Header
from ...errors import UnreadableTable
from ..fault import Fault
from ..part import Block, BlockColumn, PartLog
from ..source_table import SHOWN_CELLS, CellExample, Holds, Values
from . import cell_kinds, string_cells
from .compression import DAMAGED, unpacked
from .dialect import Dialect
from .string_cells import StringColumn
from .translation import strict_blocks

# A column with so many wrong cells, and fewer numbers, is text: its further cells are not read.
TEXT_CELLS: Final = 100
SHOWN_RAGGED: Final = 3

Open = Callable[[], IO[bytes]]


@dataclass(frozen=True, slots=True)
class Text:
    """A text whose dialect is known."""

    name: str
    open: Open
    dialect: Dialect

    def blocks(self) -> Iterator[bytes]:
        """The strict text, in blocks of whole records.

        Raises:
            TableError: the file is damaged, or its text is not in the dialect.
        """
        try:
            with self.open() as stream:
                yield from strict_blocks(unpacked(stream, self.dialect.compression), self.dialect, self.name)
        except DAMAGED as error:
            raise TableError(f"{self.name} cannot be read to its end ({error}); copy or write it again") from None


class TextReader:
    """Reads the columns of a strict text, block after block."""

    def __init__(self, text: Text, header: Header, missing: frozenset[str], log: PartLog) -> None:
        self._text = text
        self._header = header
        self._missing = missing
        self._log = log
        self._row = 0
        self._line = header.lines + 1
        self._ragged = 0
        self._numbers = [0] * header.width
        self._wrong = [0] * header.width
        self._active = list(range(header.width))

    def blocks(self) -> Iterator[Block]:
        """The rows of the text in blocks."""
        begin = self._header.begin
        blocks = self._text.blocks()
        content = next(blocks, None)
        while content is not None:
            following = next(blocks, None)
            # Empty lines at the end of the file are no rows.
            body = csv_text.body(content[begin:], 0) if following is None else _with_line_feeds(content[begin:])
            begin = 0
            if body:
                yield self._block(body)
            content = following
        if self._ragged > SHOWN_RAGGED:
            more = self._ragged - SHOWN_RAGGED
            self._log.faults.append(
                Fault(f"{more} more lines of {self._text.name} have another number of cells; correct them")
            )

    def _block(self, body: bytes) -> Block:
        quick = csv_numbers.read_with_pyarrow(body, self._header, self._active)
        if quick is None:
            strings = string_cells.read(body, self._header.width, self._active, self._missing)
            return self._cell_by_cell(body) if strings is None else self._of_strings(body, strings)
        columns: list[BlockColumn] = [BlockColumn("text", None)] * self._header.width
        for at, column in enumerate(self._active):
            values = np.ascontiguousarray(quick[:, at])
            missing = int(np.count_nonzero(np.isnan(values)))
            self._numbers[column] += len(values) - missing
            columns[column] = BlockColumn("numbers" if missing < len(values) else "nothing", values, missing)
        self._row += len(quick)
        self._line += body.count(b"\n") + (not body.endswith(b"\n"))
        self._anchor()
        return Block(len(quick), tuple(columns))

    def _anchor(self) -> None:
        # Anchors are needed only where a row took several lines.
        row, line = self._log.anchors[-1]
        if self._line - line != self._row - row:
            self._log.anchors.append((self._row, self._line))

    def _cell_by_cell(self, body: bytes) -> Block:
        rows: list[list[str]] = []
        try:
            for line, cells in csv_records.records(body.decode(), self._line):
                if len(cells) == self._header.width:
                    row, at = self._log.anchors[-1]
                    if line - at != self._row + len(rows) - row:
                        self._log.anchors.append((self._row + len(rows), line))
                    rows.append(cells)
                else:
                    self._note_ragged(line, cells)
        except UnreadableTable as error:
            raise TableError(f"{self._text.name}, {error}") from None
        columns = [
            self._column(column, [cells[column] for cells in rows])
            if column in self._active
            else BlockColumn("text", None)
            for column in range(self._header.width)
        ]
        self._row += len(rows)
        self._line += body.count(b"\n") + (not body.endswith(b"\n"))
        self._anchor()
        return Block(len(rows), tuple(columns))

    def _of_strings(self, body: bytes, strings: Mapping[int, StringColumn]) -> Block:
        columns: list[BlockColumn] = [BlockColumn("text", None)] * self._header.width
        rows = 0
        for column, found in strings.items():
            rows = len(found.values)
            kind: Holds = "numbers"
            if len(found.wrong):
                kind = cell_kinds.holds(found.text(int(row)) for row in found.wrong[:TEXT_CELLS])
                if kind == "truth values" and not self._numbers[column] and (truths := found.truths()) is not None:
                    columns[column] = BlockColumn("truth values", truths, int(np.count_nonzero(np.isnan(truths))))
                    continue
            examples = tuple(
                CellExample(self._row + int(row), shown(found.text(int(row)))) for row in found.wrong[:SHOWN_CELLS]
            )
            columns[column] = self._counted(column, kind, found.values, examples, len(found.wrong))
        self._row += rows
        self._line += body.count(b"\n") + (not body.endswith(b"\n"))
        self._anchor()
        return Block(rows, tuple(columns))

    def _column(self, column: int, cells: Sequence[str]) -> BlockColumn:
        found = [cell_kinds.value_of(cell, self._missing) for cell in cells]
        wrong = [row for row, value in enumerate(found) if value is None]
        kind: Holds = "numbers"
        if wrong:
            kind = cell_kinds.holds(cells[row] for row in wrong[:TEXT_CELLS])
            if kind == "truth values" and not self._numbers[column]:
                truths = [cell_kinds.truth_of(cell, self._missing) for cell in cells]
                if None not in truths:
                    values = np.array(truths, np.float64)
                    return BlockColumn("truth values", values, int(np.count_nonzero(np.isnan(values))))
        values = np.array([np.nan if value is None else value for value in found], np.float64)
        examples = tuple(CellExample(self._row + row, shown(cells[row].strip())) for row in wrong[:SHOWN_CELLS])
        return self._counted(column, kind, values, examples, len(wrong))

    def _counted(
        self, column: int, kind: Holds, values: Values, examples: tuple[CellExample, ...], wrong: int
    ) -> BlockColumn:
        numbers = int(np.count_nonzero(~np.isnan(values)))
        self._numbers[column] += numbers
        self._wrong[column] += wrong
        if self._wrong[column] >= max(TEXT_CELLS, self._numbers[column]):
            self._active.remove(column)
        holds: Holds = "nothing" if not numbers and not wrong else kind
        return BlockColumn(holds, values, len(values) - numbers - wrong, examples, wrong)

    def _note_ragged(self, line: int, cells: Sequence[str]) -> None:
        self._ragged += 1
        if self._ragged > SHOWN_RAGGED:
            return
        what = "is empty" if list(cells) == [""] else f"has {len(cells)} cells"
        expected = f"expected {self._header.width} cells, as in line 1: correct the line"
        self._log.faults.append(Fault(f"line {line} of {self._text.name} {what}; {expected}"))


def _with_line_feeds(content: bytes) -> bytes:
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return content
