"""CSV (RFC 4180) in UTF-8: cut between its records, cells kept as text; a record of another width is a row of nulls."""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv as arrow_csv

from diffeo.tables.files import number

from ..block import RowRange
from ..location import HashingStream, Location
from .format import FileLayout, RowWriter, split_batch

MARK: Final = b"\xef\xbb\xbf"
HEAD_BYTES: Final = 2**20
LOOK_BYTES: Final = 2**22
PIECE_BYTES: Final = 2**22
QUOTE: Final = ord('"')
LINE: Final = ord("\n")
RETURN: Final = ord("\r")


class Csv:
    """Files that end with .csv; line 1 is a header when none of its cells is a number."""

    def layout(self, location: Location, block_rows: int) -> FileLayout:
        with location.open() as file:
            head = file.read(HEAD_BYTES)
            names, begin = _first(head)
            named = all(number(name) is None for name in names)
            columns = names if named else [str(place) for place in range(len(names))]
            file.seek(begin if named else len(MARK) * head.startswith(MARK))
            spans = tuple(_spans(file, block_rows))
        return FileLayout(pa.schema([(name.strip(), pa.string()) for name in columns]), named, spans, is_text=True)

    def read(
        self, location: Location, layout: FileLayout, row_range: RowRange, names: Sequence[str]
    ) -> Iterator[pa.RecordBatch]:
        torn: list[int] = []

        def note(row: arrow_csv.InvalidRow) -> str:
            torn.append(row.number)
            return "skip"

        columns = layout.schema.names
        with location.open() as file:
            batches = arrow_csv.open_csv(
                pa.PythonFile(_Window(file, row_range.begin, row_range.end), mode="r"),
                # One thread: then a record that is torn has a number.
                arrow_csv.ReadOptions(column_names=columns, use_threads=False, block_size=PIECE_BYTES),
                arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=note),
                arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(columns, pa.string()),
                    include_columns=list(names),
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
            rows = 0
            for batch in _mended(batches, torn):
                rows += batch.num_rows
                yield from split_batch(batch)
        if rows != row_range.rows:
            raise ValueError(f"has a double quote that is not closed, in row {row_range.first + 1} or after it")

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


def _first(head: bytes) -> tuple[list[str], int]:
    """The cells of the first record, and where the next one begins."""
    ends, _ = _ends(np.frombuffer(head, np.uint8), quoted=False)
    stop = int(ends[0]) + 1 if len(ends) else len(head)
    try:
        lines = list(csv.reader(io.StringIO(head[:stop].decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"its first line is no CSV in UTF-8: {error}") from None
    if not lines or not lines[0]:
        raise ValueError("holds no columns in its first line")
    return lines[0], stop


def _spans(file: pa.NativeFile, block_rows: int) -> Iterator[RowRange]:
    """Cut what is left of a file after every `block_rows` records."""
    first = rows = 0
    begin = at = file.tell()
    last, quoted, before = at - 1, False, b"\n"
    while content := file.read(LOOK_BYTES):
        found, quoted = _ends(np.frombuffer(content, np.uint8), quoted=quoted)
        ends = found + at
        sizes = np.diff(ends, prepend=last)
        # Readers pass over empty lines, so they do not count.
        returns = np.frombuffer(before + content, np.uint8)[found] == RETURN
        full = ends[(sizes > 1) & ~((sizes == len("\r\n")) & returns)]
        while rows + len(full) >= block_rows:
            end = int(full[block_rows - rows - 1]) + 1
            yield RowRange(first, block_rows, begin, end)
            full = full[block_rows - rows :]
            first, rows, begin = first + block_rows, 0, end
        rows += len(full)
        last = int(ends[-1]) if len(ends) else last
        before, at = content[-1:], at + len(content)
    # The last line needs no end.
    rows += at - last > 1
    if rows:
        yield RowRange(first, rows, begin, at)


def _ends(content: npt.NDArray[np.uint8], *, quoted: bool) -> tuple[npt.NDArray[np.int64], bool]:
    """Where lines end that are not in double quotes, and whether the content ends within them."""
    lines, quotes = np.flatnonzero(content == LINE), np.flatnonzero(content == QUOTE)
    if not len(quotes):
        return (lines[:0] if quoted else lines), quoted
    # A quote within quotes is written twice, so what is behind an even number of them is outside.
    outside = (np.searchsorted(quotes, lines) + quoted) % 2 == 0
    return lines[outside], bool((len(quotes) + quoted) % 2)


def _mended(reader: arrow_csv.CSVStreamingReader, torn: Sequence[int]) -> Iterator[pa.RecordBatch]:
    """The batches with rows of nulls where records were torn; `torn` has their numbers, from 1, before their batch."""
    records = used = 0
    for batch in reader:
        # How many rows of the batch come before each torn record that is not behind all of them.
        places = [torn[later] - 1 - records - (later - used) for later in range(used, len(torn))]
        places = [place for place in places if place < batch.num_rows]
        used += len(places)
        records += batch.num_rows + len(places)
        yield _widened(batch, places)
    if used < len(torn):
        nulls = [pa.nulls(len(torn) - used, field.type) for field in reader.schema]
        yield pa.RecordBatch.from_arrays(nulls, schema=reader.schema)


def _widened(batch: pa.RecordBatch, places: Sequence[int]) -> pa.RecordBatch:
    """The batch with a row of nulls before each of those rows."""
    if not places:
        return batch
    rows = np.insert(np.arange(batch.num_rows), places, -1)
    return batch.take(pa.array(rows, mask=rows < 0))
