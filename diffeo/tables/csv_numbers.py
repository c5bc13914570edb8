"""The numbers in the rows of a CSV text: at once by pyarrow where that is provably the same, else cell by cell."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from .cells import EXPECTED, number, shown, spellings_of_missing
from .csv_text import BYTE_ORDER_MARK, MAX_LINE_BYTES, Header, ends, has_plain_quotes, records
from .errors import RaggedRow, UnreadableTable, WrongCell

# Rows that are read cell by cell after pyarrow refused them: a fault costs no more than one piece.
PIECE_BYTES: Final = 2**20
EMPTY_LINE: Final = re.compile(rb"(?:\A|\n)\n")
# Below this, reading cell by cell takes less time than one call of pyarrow.
SHORT_BYTES: Final = 1000
# pyarrow refuses a line that is longer than two blocks.
BLOCK_BYTES: Final = MAX_LINE_BYTES // 2
SPELLINGS: Final = spellings_of_missing()

Wrong = Literal["refuse", "null"]
Numbers = npt.NDArray[np.float64]  # [rows, columns]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a piece of text stands in its table.

    Attributes:
        header: line 1 of the table.
        row: how many rows come before the piece.
        line: how many lines come before the piece.
    """

    header: Header
    row: int
    line: int

    def cell(self, row: int, line: int, column: int, text: str) -> WrongCell:
        """The error of a cell that is wrong."""
        name = f"column {column + 1}" if self.header.names is None else f"column {shown(self.header.names[column])}"
        sentence = f"line {line}, {name}: {shown(text)} is no number; {EXPECTED}"
        return WrongCell(sentence, row, column, shown(text))

    def ragged(self, row: int, line: int, cells: int) -> RaggedRow:
        """The error of a row of another width."""
        return RaggedRow(f"line {line}: cells found: {cells}; expected {self.header.width}, as in line 1", row)


def numbers(text: bytes, header: Header, wanted: Sequence[int], wrong: Wrong = "refuse") -> Numbers:
    """The numbers [rows, wanted columns] of the text behind a header; a missing cell is NaN.

    Args:
        text: whole records, with LF at the end of each line, as `csv_text.body` returns them.
        header: line 1 of the table.
        wanted: places of the columns to read, in the order of the result. The cells of other columns are not read.
        wrong: "refuse" raises an error for a wrong cell or row; "null" makes it NaN and skips empty lines.

    Raises:
        WrongCell: a cell of a wanted column is neither a number nor missing.
        RaggedRow: a row has too few or too many cells.
        UnreadableTable: a quote does not enclose its cell, or a line is too long.
    """
    if not text:
        return np.empty((0, len(wanted)))
    rows = at_once(text, header, wanted)
    if rows is not None:
        return rows
    found: list[Numbers] = [np.empty((0, len(wanted)))]
    place = Place(header, 0, header.lines)
    for piece in pieces(text):
        rows = at_once(piece, header, wanted)
        rows = one_by_one(piece, place, wanted, wrong) if rows is None else rows
        found.append(rows)
        place = Place(header, place.row + len(rows), place.line + piece.count(b"\n"))
    return np.concatenate(found)


@dataclass(frozen=True, slots=True)
class Readable:
    """The columns of a table that hold numbers, and why the others do not.

    Attributes:
        places: places of the columns in the rows, in the order of the table.
        rows: the numbers [rows, places].
        wrong: for each other column, the first wrong cell that was found.
    """

    places: tuple[int, ...]
    rows: Numbers
    wrong: tuple[WrongCell, ...]


def readable(text: bytes, header: Header) -> Readable:
    """The numbers of every column that holds numbers, for a reader that does not know yet which are wanted.

    A table without names is read whole, because all of its columns are wanted.

    Raises:
        WrongTable: as `numbers`; a wrong cell is an error only in a table without names.
    """
    every = tuple(range(header.width))
    if header.names is None or not text:
        return Readable(every, numbers(text, header, every), ())
    if (rows := at_once(text, header, every)) is not None:
        return Readable(every, rows, ())
    places, wrong = every, dict[int, WrongCell]()
    found: list[tuple[tuple[int, ...], Numbers]] = []
    place = Place(header, 0, header.lines)
    for piece in pieces(text):
        rows = at_once(piece, header, places)
        if rows is None:
            rows, more = _columns_one_by_one(piece, place, places)
            wrong |= more
            places = tuple(column for column in places if column not in wrong)
        found.append((places, rows))
        place = Place(header, place.row + len(rows), place.line + piece.count(b"\n"))
    kept = [rows[:, np.isin(columns, places)] for columns, rows in found]
    return Readable(places, np.concatenate(kept), tuple(wrong[column] for column in sorted(wrong)))


def _columns_one_by_one(text: bytes, place: Place, wanted: Sequence[int]) -> tuple[Numbers, dict[int, WrongCell]]:
    rows: list[list[float]] = []
    wrong: dict[int, WrongCell] = {}
    for row, (line, cells) in enumerate(_full_records(text, place), start=place.row):
        values = [number(cells[column]) for column in wanted]
        if None in values:
            for column, value in zip(wanted, values, strict=True):
                if value is None and column not in wrong:
                    wrong[column] = place.cell(row, line, column, cells[column])
        rows.append([np.nan if value is None else value for value in values])
    table = np.array(rows, dtype=np.float64).reshape(len(rows), len(wanted))
    return table[:, [column not in wrong for column in wanted]], wrong


def at_once(text: bytes, header: Header, wanted: Sequence[int]) -> Numbers | None:
    """The numbers of whole records read by pyarrow; None for a short text, and where its rules may differ from ours."""
    if len(text) < SHORT_BYTES:
        return None
    try:
        import pyarrow as pa  # noqa: PLC0415  (the client alone stands on numpy)
        from pyarrow import csv  # noqa: PLC0415  (as above)
    except ModuleNotFoundError:
        return None
    if not wanted or text.startswith(BYTE_ORDER_MARK) or (b'"' in text and not has_plain_quotes(text)):
        return None
    names = [str(column) for column in range(header.width)]
    chosen = [names[column] for column in wanted]
    included = [] if chosen == names else list(dict.fromkeys(chosen))

    def parsed(spellings: list[str]) -> pa.Table:
        # read_csv would take over the signals of the process while it runs; open_csv does not.
        return csv.open_csv(
            pa.BufferReader(text),
            csv.ReadOptions(column_names=names, use_threads=False, block_size=BLOCK_BYTES),
            csv.ParseOptions(newlines_in_values=b'"' in text, ignore_empty_lines=False),
            csv.ConvertOptions(
                column_types=dict.fromkeys(chosen, pa.float64()), include_columns=included, null_values=spellings
            ),
        ).read_all()

    try:
        # Most tables mark a missing value by an empty cell, and comparing every cell with all spellings takes time.
        table = parsed([""])
    except pa.ArrowInvalid:
        try:
            table = parsed(SPELLINGS)
        except pa.ArrowInvalid:
            return None
    rows = np.empty((table.num_rows, len(chosen)))
    for place, column in enumerate(chosen):
        rows[:, place] = table.column(column).to_numpy()  # NaN for null
    # pyarrow also reads nan(1) as missing, and an empty line as a row of missing cells.
    if np.isnan(rows).any() and (b"(" in text or (header.width > 1 and EMPTY_LINE.search(text))):
        return None
    return rows


def one_by_one(text: bytes, place: Place, wanted: Sequence[int], wrong: Wrong) -> Numbers:
    """The numbers of whole records read cell by cell: this is the definition of what they are."""
    if wrong == "null":
        return _nulls_one_by_one(text, place, wanted)
    rows: list[list[float]] = []
    for row, (line, cells) in enumerate(_full_records(text, place), start=place.row):
        values: list[float] = []
        for column in wanted:
            value = number(cells[column])
            if value is None:
                raise place.cell(row, line, column, cells[column])
            values.append(value)
        rows.append(values)
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(wanted))


def _full_records(text: bytes, place: Place) -> Iterator[tuple[int, list[str]]]:
    row = place.row
    try:
        for line, cells in records(text.decode(), place.line + 1):
            if len(cells) != place.header.width:
                raise place.ragged(row, line, len(cells))
            yield line, cells
            row += 1
    except UnreadableTable as error:
        raise UnreadableTable(str(error), row) from None


def _nulls_one_by_one(text: bytes, place: Place, wanted: Sequence[int]) -> Numbers:
    rows: list[list[float | None]] = []
    for _, cells in records(text.decode(), place.line + 1):
        if len(cells) == place.header.width:
            rows.append([number(cells[column]) for column in wanted])
        elif cells != [""]:
            rows.append([None] * len(wanted))
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(wanted))


def pieces(text: bytes, size: int = PIECE_BYTES) -> Iterator[bytes]:
    """The text in pieces of whole records; a short text is one piece.

    Raises:
        UnreadableTable: a line is longer than MAX_LINE_BYTES, or a quote does not enclose its cell.
    """
    if len(text) < SHORT_BYTES:
        yield text
        return
    at = 0
    while at < len(text):
        # One line more than a line can have, so that a piece holds a record at least.
        piece = text[at : at + size + MAX_LINE_BYTES]
        last = at + len(piece) == len(text)
        found = ends(piece, last=last)
        if not len(found) or np.diff(found, prepend=0).max() > MAX_LINE_BYTES + 1:
            if not len(found) and b'"' in piece:
                yield piece  # it begins with a quote that does not enclose its cell, which its reader says
            raise UnreadableTable(f"a line is longer than {MAX_LINE_BYTES} bytes; end each row with a line end")
        end = int(found[min(int(np.searchsorted(found, size)), len(found) - 1)])
        yield piece[:end]
        at += end
