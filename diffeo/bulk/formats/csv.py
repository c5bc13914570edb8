"""Text files, split into blocks between records. Cells stay text; `diffeo.bulk.columns` converts them to numbers.

A text that is the strict text already is read from any position. Another one is translated from its beginning on, so a
block of a compressed file, or of one with semicolons, costs the translation of all blocks before it.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv as arrow_csv

from diffeo.tables.csv_numbers import Wrong
from diffeo.tables.csv_records import has_plain_quotes, record_ends, records
from diffeo.tables.csv_text import MAX_HEADER_BYTES, MAX_LINE_BYTES, body
from diffeo.tables.errors import RaggedRow, UnreadableTable
from diffeo.tables.reading.options import ReadOptions
from diffeo.tables.reading.text.strict_header import read_header

from ..block import RowRange
from ..location import HashingStream, Location
from .format import SNIFFED, FileLayout, RowWriter, split_batch
from .strict_stream import Seekable, dialect_of, open_strict

SCAN_BYTES: Final = 2**22
SEGMENT_BYTES: Final = 2**22
WHITE_SPACE: Final = np.frombuffer(b" \t\r\n", np.uint8)


class Csv:
    """Text files of any dialect, by the rules of `diffeo.tables.csv_text`."""

    def layout(
        self, location: Location, block_rows: int, options: ReadOptions = SNIFFED, expected: Sequence[str] = ()
    ) -> FileLayout:
        dialect = dialect_of(location, options)
        with open_strict(location, dialect) as file:
            first = read_header(file.read(MAX_HEADER_BYTES + 4), options, location.name, expected)
        with open_strict(location, dialect) as file:
            file.seek(first.begin)
            row_ranges = tuple(_row_ranges(file, block_rows))
        names = [str(column) for column in range(first.width)] if first.names is None else first.names
        fields = [(name.strip(), pa.string()) for name in names]
        return FileLayout(pa.schema(fields), first.names is not None, row_ranges, is_text=True, dialect=dialect)

    def read(
        self, location: Location, layout: FileLayout, row_range: RowRange, names: Sequence[str]
    ) -> Iterator[pa.RecordBatch]:
        columns = _TextColumns(len(layout.schema), [layout.schema.names.index(name) for name in names], names)
        row = row_range.first
        with open_strict(location, layout.dialect) as file:
            for segment, has_empty_lines in _segments(_ByteRange(file, row_range.begin, row_range.end)):
                # pyarrow skips an empty line between rows; with wrong == "refuse" it is a row with too few cells.
                may_skip = layout.wrong == "null" or not has_empty_lines
                batch = columns.read(segment, layout.wrong, row, may_skip_empty_lines=may_skip)
                row += batch.num_rows
                yield from split_batch(batch)
        if row != row_range.first + row_range.rows:
            raise ValueError(f"the number of rows after row {row_range.first} has changed since the job began")

    @contextmanager
    def open_writer(self, stream: HashingStream, schema: pa.Schema, rows: int) -> Iterator[RowWriter]:
        _ = rows  # a CSV file does not state its number of rows
        with arrow_csv.CSVWriter(
            stream, schema, write_options=arrow_csv.WriteOptions(quoting_style="needed")
        ) as writer:
            yield writer


class _ByteRange(io.RawIOBase):
    """A readable stream over the bytes [begin, end) of a file."""

    def __init__(self, file: Seekable, begin: int, end: int) -> None:
        self._file = file
        self._left = end - begin
        file.seek(begin)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        content: bytes = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(content)
        return content


class _TextColumns:
    """Reads some columns of a file as text.

    Args:
        width: number of cells of every record.
        positions: positions of the columns to read.
        names: names of these columns in the result.
    """

    def __init__(self, width: int, positions: Sequence[int], names: Sequence[str]) -> None:
        self._width = width
        self._positions = positions
        self._names = list(names)

    def read(self, segment: bytes, wrong: Wrong, row: int, *, may_skip_empty_lines: bool) -> pa.RecordBatch:
        """The cells of whole records, null where they are empty.

        Args:
            segment: the records.
            wrong: "refuse" raises an error for a record of another width; "null" makes it a row of nulls, and skips
                an empty line.
            row: number of rows of the file before these records.
            may_skip_empty_lines: pyarrow, which skips empty lines, may read the records.

        Raises:
            RaggedRow: a record has too few or too many cells.
            UnreadableTable: a quote does not enclose its cell, or the text is not UTF-8.
        """
        if not segment.isascii():
            self._check_text(segment, row)
        if may_skip_empty_lines and (b'"' not in segment or has_plain_quotes(segment)):
            return self._read_with_pyarrow(segment, wrong, row)
        return self._read_record_by_record(segment, wrong, row)

    def _check_text(self, segment: bytes, row: int) -> None:
        try:
            segment.decode()
        except UnicodeDecodeError:
            raise UnreadableTable(f"the text after row {row} is not UTF-8; save it as UTF-8") from None

    def _read_with_pyarrow(self, segment: bytes, wrong: Wrong, row: int) -> pa.RecordBatch:
        ragged: list[arrow_csv.InvalidRow] = []

        def on_ragged_row(record: arrow_csv.InvalidRow) -> str:
            ragged.append(record)
            return "error" if wrong == "refuse" else "skip"

        every = [str(position) for position in range(self._width)]
        chosen = [str(position) for position in self._positions]
        try:
            table = arrow_csv.open_csv(
                pa.BufferReader(segment),
                # pyarrow gives the number of a ragged row only with one thread.
                arrow_csv.ReadOptions(column_names=every, use_threads=False, block_size=len(segment) + 1),
                arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=on_ragged_row),
                arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(every, pa.string()),
                    include_columns=chosen,
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            ).read_all()
        except pa.ArrowInvalid:
            if not ragged:
                raise
            first = ragged[0]
            raise self._ragged_row(row + first.number - 1, first.actual_columns) from None
        arrays = [_as_one_array(table.column(name)) for name in chosen]
        batch = pa.RecordBatch.from_arrays(arrays, names=self._names)
        # pyarrow skipped the ragged rows: the position of each is its index among the rows that it kept.
        return _insert_null_rows(batch, [record.number - 1 - skipped for skipped, record in enumerate(ragged)])

    def _read_record_by_record(self, segment: bytes, wrong: Wrong, row: int) -> pa.RecordBatch:
        found: list[list[str | None]] = []
        for _, cells in records(body(segment, 0).decode(), 0):
            if len(cells) == self._width:
                found.append([cells[position] or None for position in self._positions])
            elif wrong == "refuse":
                raise self._ragged_row(row + len(found), len(cells))
            elif cells != [""]:
                found.append([None] * len(self._positions))
        columns = list(zip(*found, strict=True)) if found else [()] * len(self._positions)
        return pa.RecordBatch.from_arrays([pa.array(column, pa.string()) for column in columns], names=self._names)

    def _ragged_row(self, row: int, cells: int) -> RaggedRow:
        return RaggedRow(f"row {row + 1}: cells found: {cells}; expected {self._width}, as in line 1", row)


def _row_ranges(file: Seekable, block_rows: int) -> Iterator[RowRange]:
    """Split the rest of an open file into ranges of `block_rows` records; the last range may be shorter."""
    first = rows = 0
    begin = at = file.tell()
    rest = b""
    while True:
        content = file.read(SCAN_BYTES)
        segment = rest + content
        found = record_ends(segment, last=not content)
        # An empty line is not counted as a row; `read` raises the error for one between rows.
        full = found[_has_text(segment, found)] + at
        while rows + len(full) >= block_rows:
            end = int(full[block_rows - rows - 1])
            yield RowRange(first, block_rows, begin, end)
            full = full[block_rows - rows :]
            first, rows, begin = first + block_rows, 0, end
        rows += len(full)
        done = int(found[-1]) if len(found) else 0
        rest, at = segment[done:], at + done
        _check_length(rest)
        if not content:
            break
    if rows:
        yield RowRange(first, rows, begin, at)


def _segments(stream: _ByteRange) -> Iterator[tuple[bytes, bool]]:
    """Split a stream into segments of whole records; the truth value says whether one has empty lines between rows."""
    rest = b""
    while True:
        content = stream.read(SEGMENT_BYTES)
        segment = rest + content
        found = record_ends(segment, last=not content)
        full = np.flatnonzero(_has_text(segment, found))
        # Empty lines at the end of a segment go to the next one, because at the end of the file they are not rows.
        done = int(found[full[-1]]) if len(full) else 0
        if done:
            yield segment[:done], bool(len(full) <= full[-1])
        rest = segment[done:]
        if not content:
            return
        _check_length(rest.lstrip())


def _check_length(rest: bytes) -> None:
    if len(rest) > MAX_LINE_BYTES + SEGMENT_BYTES:
        raise UnreadableTable(f"a line is longer than {MAX_LINE_BYTES} bytes; a quote may be left open")


def _has_text(content: bytes, found: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """True for each record that is not an empty line; `found` has the position at which each record ends."""
    begins = np.concatenate([[0], found[:-1]]) if len(found) else found
    full = np.ones(len(found), np.bool_)
    characters = np.frombuffer(content, np.uint8)
    for index in np.flatnonzero(np.isin(characters[begins], WHITE_SPACE)):
        full[index] = not content[begins[index] : found[index]].isspace()
    return full


def _as_one_array(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays([pa.nulls(0, column.type), *column.chunks])


def _insert_null_rows(batch: pa.RecordBatch, positions: Sequence[int]) -> pa.RecordBatch:
    """The batch with a row of nulls before the row at each position."""
    if not positions:
        return batch
    rows = np.insert(np.arange(batch.num_rows), positions, -1)
    return batch.take(pa.array(rows, mask=rows < 0))
