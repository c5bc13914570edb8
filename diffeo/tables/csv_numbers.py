"""Reads the numbers in the rows of a CSV text: with pyarrow where it gives the same result, else cell by cell."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import numpy.typing as npt

from .cells import EXPECTED, number, shown, spellings_of_missing
from .csv_records import has_plain_quotes, record_ends, records
from .csv_text import BYTE_ORDER_MARK, MAX_LINE_BYTES, Header
from .errors import RaggedRow, UnreadableTable, WrongCell

if TYPE_CHECKING:
    import pyarrow as pa

# If pyarrow refuses a text, only the segments with wrong cells are read cell by cell, which is slow.
SEGMENT_BYTES: Final = 2**20
# Below this, reading cell by cell takes less time than one call of pyarrow.
SHORT_BYTES: Final = 1000
# The same, for each column: pyarrow takes about as long for a column as we for 16 cells.
SHORT_COLUMN_BYTES: Final = 32
# pyarrow refuses a line that is longer than two blocks.
BLOCK_BYTES: Final = MAX_LINE_BYTES // 2
SPELLINGS: Final = spellings_of_missing()

Wrong = Literal["refuse", "null"]
Numbers = npt.NDArray[np.float64]  # [rows, columns]


@dataclass(frozen=True, slots=True)
class SegmentStart:
    """The position of a segment of text in its table, for error sentences.

    Attributes:
        header: line 1 of the table.
        rows_before: number of rows before the segment.
        lines_before: number of lines before the segment.
    """

    header: Header
    rows_before: int
    lines_before: int

    def wrong_cell(self, row: int, line: int, column: int, text: str) -> WrongCell:
        """The error for a wrong cell."""
        name = f"column {column + 1}" if self.header.names is None else f"column {shown(self.header.names[column])}"
        cell = shown(text)
        return WrongCell(f"line {line}, {name}: {cell} is no number; {EXPECTED}", row, column, cell)

    def ragged_row(self, row: int, line: int, cells: int) -> RaggedRow:
        """The error for a row with too few or too many cells."""
        return RaggedRow(f"line {line}: cells found: {cells}; expected {self.header.width}, as in line 1", row)


def numbers(text: bytes, header: Header, wanted: Sequence[int], wrong: Wrong = "refuse") -> Numbers:
    """The numbers [rows, wanted columns] of the text behind a header; a missing cell is NaN.

    Args:
        text: whole records, with LF at the end of each line, as `csv_text.body` returns them.
        header: line 1 of the table.
        wanted: positions of the columns to read, in the order of the result. Cells of other columns are not read.
        wrong: "refuse" raises an error for a wrong cell or row; "null" makes it NaN and skips empty lines.

    Raises:
        WrongCell: a cell of a wanted column is neither a number nor missing.
        RaggedRow: a row has too few or too many cells.
        UnreadableTable: a quote does not enclose its cell, or a line is too long.
    """
    if not text:
        return np.empty((0, len(wanted)))
    rows = read_with_pyarrow(text, header, wanted)
    if rows is not None:
        return rows
    found: list[Numbers] = [np.empty((0, len(wanted)))]
    start = SegmentStart(header, 0, header.lines)
    for segment in segments(text):
        rows = read_with_pyarrow(segment, header, wanted)
        rows = read_cell_by_cell(segment, start, wanted, wrong) if rows is None else rows
        found.append(rows)
        start = SegmentStart(header, start.rows_before + len(rows), start.lines_before + segment.count(b"\n"))
    return np.concatenate(found)


def read_number_columns(
    text: bytes, start: SegmentStart, wanted: Sequence[int]
) -> tuple[Numbers, dict[int, WrongCell]]:
    """The numbers of the wanted columns that hold numbers, and the first wrong cell of each other wanted column."""
    rows: list[list[float]] = []
    wrong: dict[int, WrongCell] = {}
    for row, (line, cells) in enumerate(_full_records(text, start), start=start.rows_before):
        values = [number(cells[column]) for column in wanted]
        if None in values:
            for column, value in zip(wanted, values, strict=True):
                if value is None and column not in wrong:
                    wrong[column] = start.wrong_cell(row, line, column, cells[column])
        rows.append([np.nan if value is None else value for value in values])
    table = np.array(rows, dtype=np.float64).reshape(len(rows), len(wanted))
    return table[:, [column not in wrong for column in wanted]], wrong


def read_with_pyarrow(text: bytes, header: Header, wanted: Sequence[int]) -> Numbers | None:
    """The numbers of whole records, read by pyarrow; None for a short text, or if its rules may differ from ours."""
    if not wanted or len(text) < max(SHORT_BYTES, header.width * SHORT_COLUMN_BYTES):
        return None
    if text.startswith(BYTE_ORDER_MARK):
        return None
    if b'"' in text and not has_plain_quotes(text):
        return None
    names = [str(column) for column in range(header.width)]
    chosen = [names[column] for column in wanted]
    # Most tables mark a missing value by an empty cell, and comparing every cell with all spellings takes time.
    table = _arrow_table(text, names, chosen, [""])
    if table is None:
        table = _arrow_table(text, names, chosen, SPELLINGS)
    if table is None:
        return None
    rows = np.empty((table.num_rows, len(chosen)))
    for index, column in enumerate(chosen):
        rows[:, index] = table.column(column).to_numpy()  # NaN for null
    # pyarrow also reads nan(1) as missing, and an empty line as a row of missing cells.
    if np.isnan(rows).any() and (b"(" in text or (header.width > 1 and _has_empty_line(text))):
        return None
    return rows


def _has_empty_line(text: bytes) -> bool:
    return text.startswith(b"\n") or b"\n\n" in text


def _arrow_table(text: bytes, names: list[str], chosen: list[str], missing: list[str]) -> "pa.Table | None":
    """The chosen columns as float64, with null for the spellings in `missing`; None if pyarrow is absent or refuses."""
    try:
        import pyarrow as pa  # noqa: PLC0415  (a client-only installation has only numpy)
        from pyarrow import csv  # noqa: PLC0415  (as above)
    except ModuleNotFoundError:
        return None
    included = [] if chosen == names else list(dict.fromkeys(chosen))
    try:
        # read_csv would replace the signal handlers of the process while it runs; open_csv does not.
        return csv.open_csv(
            pa.BufferReader(text),
            csv.ReadOptions(column_names=names, use_threads=False, block_size=BLOCK_BYTES),
            csv.ParseOptions(newlines_in_values=b'"' in text, ignore_empty_lines=False),
            csv.ConvertOptions(
                column_types=dict.fromkeys(chosen, pa.float64()), include_columns=included, null_values=missing
            ),
        ).read_all()
    except pa.ArrowInvalid:
        return None


def read_cell_by_cell(text: bytes, start: SegmentStart, wanted: Sequence[int], wrong: Wrong) -> Numbers:
    """The numbers of whole records, read cell by cell. This defines the numbers; pyarrow only reads them faster."""
    if wrong == "null":
        return _read_wrong_as_null(text, start, wanted)
    rows: list[list[float]] = []
    for row, (line, cells) in enumerate(_full_records(text, start), start=start.rows_before):
        values: list[float] = []
        for column in wanted:
            value = number(cells[column])
            if value is None:
                raise start.wrong_cell(row, line, column, cells[column])
            values.append(value)
        rows.append(values)
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(wanted))


def _full_records(text: bytes, start: SegmentStart) -> Iterator[tuple[int, list[str]]]:
    row = start.rows_before
    try:
        for line, cells in records(text.decode(), start.lines_before + 1):
            if len(cells) != start.header.width:
                raise start.ragged_row(row, line, len(cells))
            yield line, cells
            row += 1
    except UnreadableTable as error:
        raise UnreadableTable(str(error), row) from None


def _read_wrong_as_null(text: bytes, start: SegmentStart, wanted: Sequence[int]) -> Numbers:
    rows: list[list[float | None]] = []
    for _, cells in records(text.decode(), start.lines_before + 1):
        if len(cells) == start.header.width:
            rows.append([number(cells[column]) for column in wanted])
        elif cells != [""]:
            rows.append([None] * len(wanted))
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(wanted))


def segments(text: bytes, size: int = SEGMENT_BYTES) -> Iterator[bytes]:
    """Split a text into segments of whole records; a short text is one segment.

    Raises:
        UnreadableTable: a line is longer than MAX_LINE_BYTES, or a quote does not enclose its cell.
    """
    if len(text) < SHORT_BYTES:
        yield text
        return
    at = 0
    while at < len(text):
        if (end := _plain_end(text, at, size)) > at:
            yield text[at:end]
            at = end
            continue
        # Longer than the longest line by `size`, so that a segment holds at least one record.
        segment = text[at : at + size + MAX_LINE_BYTES]
        last = at + len(segment) == len(text)
        found = record_ends(segment, last=last)
        if not len(found) or np.diff(found, prepend=0).max() > MAX_LINE_BYTES + 1:
            if not len(found) and b'"' in segment:
                yield segment  # its reader raises the error: it begins with a quote that does not enclose its cell
            raise UnreadableTable(f"a line is longer than {MAX_LINE_BYTES} bytes; end each row with a line end")
        end = int(found[min(int(np.searchsorted(found, size)), len(found) - 1)])
        yield segment[:end]
        at += end


def _plain_end(text: bytes, at: int, size: int) -> int:
    # Where a segment without quotes ends; -1 if it has a quote or a long line.
    if at + size >= len(text):
        size = len(text) - at
    newline = text.rfind(b"\n", at, at + size) + 1 if at + size < len(text) else len(text)
    if newline <= at or text.find(b'"', at, newline) >= 0:
        return -1
    return newline
