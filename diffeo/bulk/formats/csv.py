"""CSV files, cut between their records; cells are kept as text, which `diffeo.bulk.columns` reads as numbers."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv as arrow_csv

from diffeo.tables.csv_numbers import Wrong
from diffeo.tables.csv_text import MAX_HEADER_BYTES, MAX_LINE_BYTES, body, ends, has_plain_quotes, header, records
from diffeo.tables.errors import RaggedRow, UnreadableTable

from ..block import RowRange
from ..location import HashingStream, Location
from .format import FileLayout, RowWriter, split_batch

LOOK_BYTES: Final = 2**22
PIECE_BYTES: Final = 2**22
WHITE: Final = np.frombuffer(b" \t\r\n", np.uint8)


class Csv:
    """Files that end with .csv, by the rules of `diffeo.tables.csv_text`."""

    def layout(self, location: Location, block_rows: int) -> FileLayout:
        with location.open() as file:
            first = header(file.read(MAX_HEADER_BYTES + 4))
            file.seek(first.begin)
            spans = tuple(_spans(file, block_rows))
        names = [str(column) for column in range(first.width)] if first.names is None else first.names
        fields = [(name.strip(), pa.string()) for name in names]
        return FileLayout(pa.schema(fields), first.names is not None, spans, is_text=True)

    def read(
        self, location: Location, layout: FileLayout, row_range: RowRange, names: Sequence[str]
    ) -> Iterator[pa.RecordBatch]:
        columns = _Columns(len(layout.schema), [layout.schema.names.index(name) for name in names], names)
        row = row_range.first
        with location.open() as file:
            for piece, has_empty_lines in _pieces(_Window(file, row_range.begin, row_range.end)):
                # An empty line between rows is a row with too few cells, which pyarrow passes over.
                is_plain = layout.wrong == "null" or not has_empty_lines
                batch = columns.batch(piece, layout.wrong, row, is_plain=is_plain)
                row += batch.num_rows
                yield from split_batch(batch)
        if row != row_range.first + row_range.rows:
            raise ValueError(f"has other rows after row {row_range.first} than when it was looked through")

    @contextmanager
    def open_writer(self, stream: HashingStream, schema: pa.Schema, rows: int) -> Iterator[RowWriter]:
        _ = rows  # whoever reads it counts lines
        with arrow_csv.CSVWriter(
            stream, schema, write_options=arrow_csv.WriteOptions(quoting_style="needed")
        ) as writer:
            yield writer


class _Window(io.RawIOBase):
    """The bytes [begin, end) of a file."""

    def __init__(self, file: pa.NativeFile, begin: int, end: int) -> None:
        self._file = file
        self._left = end - begin
        file.seek(begin)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        content: bytes = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(content)
        return content


class _Columns:
    """Some columns of a file as text.

    Args:
        width: how many cells a record has.
        places: which of them are read.
        names: what the columns are called.
    """

    def __init__(self, width: int, places: Sequence[int], names: Sequence[str]) -> None:
        self._width = width
        self._places = places
        self._names = list(names)

    def batch(self, piece: bytes, wrong: Wrong, row: int, *, is_plain: bool) -> pa.RecordBatch:
        """The cells of whole records, null where they are empty.

        Args:
            piece: the records.
            wrong: "refuse" raises an error for a record of another width; "null" makes it a row of nulls, and passes
                over an empty line.
            row: how many rows come before the piece.
            is_plain: whether pyarrow passes over the right lines.

        Raises:
            RaggedRow: a record has too few or too many cells.
            UnreadableTable: a quote does not enclose its cell, or the text is not UTF-8.
        """
        if not piece.isascii():
            self._check_text(piece, row)
        if is_plain and (b'"' not in piece or has_plain_quotes(piece)):
            return self._at_once(piece, wrong, row)
        return self._one_by_one(piece, wrong, row)

    def _check_text(self, piece: bytes, row: int) -> None:
        try:
            piece.decode()
        except UnicodeDecodeError:
            raise UnreadableTable(f"the text behind row {row} is not UTF-8; save it as UTF-8") from None

    def _at_once(self, piece: bytes, wrong: Wrong, row: int) -> pa.RecordBatch:
        torn: list[arrow_csv.InvalidRow] = []

        def note(record: arrow_csv.InvalidRow) -> str:
            torn.append(record)
            return "error" if wrong == "refuse" else "skip"

        every = [str(place) for place in range(self._width)]
        chosen = [str(place) for place in self._places]
        try:
            table = arrow_csv.open_csv(
                pa.BufferReader(piece),
                # One thread: then a record of another width has a number.
                arrow_csv.ReadOptions(column_names=every, use_threads=False, block_size=len(piece) + 1),
                arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=note),
                arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(every, pa.string()),
                    include_columns=chosen,
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            ).read_all()
        except pa.ArrowInvalid:
            if not torn:
                raise
            number, cells = row + torn[0].number - 1, torn[0].actual_columns
            raise self._ragged(number, cells) from None
        arrays = [_joined(table.column(name)) for name in chosen]
        batch = pa.RecordBatch.from_arrays(arrays, names=self._names)
        # Each place is counted among the rows that are left.
        return _widened(batch, [record.number - 1 - place for place, record in enumerate(torn)])

    def _one_by_one(self, piece: bytes, wrong: Wrong, row: int) -> pa.RecordBatch:
        found: list[list[str | None]] = []
        for _, cells in records(body(piece, 0).decode(), 0):
            if len(cells) == self._width:
                found.append([cells[place] or None for place in self._places])
            elif wrong == "refuse":
                raise self._ragged(row + len(found), len(cells))
            elif cells != [""]:
                found.append([None] * len(self._places))
        columns = list(zip(*found, strict=True)) if found else [()] * len(self._places)
        return pa.RecordBatch.from_arrays([pa.array(column, pa.string()) for column in columns], names=self._names)

    def _ragged(self, row: int, cells: int) -> RaggedRow:
        return RaggedRow(f"row {row + 1}: cells found: {cells}; expected {self._width}, as in line 1", row)


def _spans(file: pa.NativeFile, block_rows: int) -> Iterator[RowRange]:
    """Cut what is left of a file after every `block_rows` records."""
    first = rows = 0
    begin = at = file.tell()
    rest = b""
    while True:
        content = file.read(LOOK_BYTES)
        piece = rest + content
        found = ends(piece, last=not content)
        # Empty lines are no rows.
        full = found[_has_text(piece, found)] + at
        while rows + len(full) >= block_rows:
            end = int(full[block_rows - rows - 1])
            yield RowRange(first, block_rows, begin, end)
            full = full[block_rows - rows :]
            first, rows, begin = first + block_rows, 0, end
        rows += len(full)
        done = int(found[-1]) if len(found) else 0
        rest, at = piece[done:], at + done
        _check_length(rest)
        if not content:
            break
    if rows:
        yield RowRange(first, rows, begin, at)


def _pieces(stream: _Window) -> Iterator[tuple[bytes, bool]]:
    """The bytes of a stream in pieces of whole records, and whether a piece has empty lines between them."""
    rest = b""
    while True:
        content = stream.read(PIECE_BYTES)
        piece = rest + content
        found = ends(piece, last=not content)
        full = np.flatnonzero(_has_text(piece, found))
        # Empty lines at the end of a piece belong to the next one: at the end of the file they are no rows.
        done = int(found[full[-1]]) if len(full) else 0
        if done:
            yield piece[:done], bool(len(full) <= full[-1])
        rest = piece[done:]
        if not content:
            return
        _check_length(rest.lstrip())


def _check_length(rest: bytes) -> None:
    if len(rest) > MAX_LINE_BYTES + PIECE_BYTES:
        raise UnreadableTable(f"a line is longer than {MAX_LINE_BYTES} bytes; a quote may be left open")


def _has_text(content: bytes, found: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which of the records that end there are not empty lines."""
    begins = np.concatenate([[0], found[:-1]]) if len(found) else found
    full = np.ones(len(found), np.bool_)
    characters = np.frombuffer(content, np.uint8)
    for index in np.flatnonzero(np.isin(characters[begins], WHITE)):
        full[index] = not content[begins[index] : found[index]].isspace()
    return full


def _joined(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays([pa.nulls(0, column.type), *column.chunks])


def _widened(batch: pa.RecordBatch, places: Sequence[int]) -> pa.RecordBatch:
    """The batch with a row of nulls before each of those rows."""
    if not places:
        return batch
    rows = np.insert(np.arange(batch.num_rows), places, -1)
    return batch.take(pa.array(rows, mask=rows < 0))
