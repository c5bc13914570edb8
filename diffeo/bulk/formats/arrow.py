"""Arrow files, and Arrow streams without dictionaries: blocks consist of whole record batches."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import pyarrow as pa
from pyarrow import ipc

from diffeo.tables.reading.options import ReadOptions

from ..block import RowRange
from ..location import HashingStream, Location
from .format import SNIFFED, FileLayout, RowWriter, group_into_ranges, select_range

MAGIC: Final = b"ARROW1"


class Arrow:
    """The format of files that end with .arrow, .feather or .arrows; it writes Arrow files."""

    def layout(
        self, location: Location, block_rows: int, options: ReadOptions = SNIFFED, expected: Sequence[str] = ()
    ) -> FileLayout:
        _ = options, expected  # a file of this format says itself what it holds
        with location.open() as file:
            return (_layout_of_file if _is_arrow_file(file) else _layout_of_stream)(file, block_rows)

    def read(
        self, location: Location, layout: FileLayout, row_range: RowRange, names: Sequence[str]
    ) -> Iterator[pa.RecordBatch]:
        with location.open() as file:
            is_arrow_file = _is_arrow_file(file)
            batches = _read_file(file, row_range) if is_arrow_file else _read_stream(file, layout.schema, row_range)
            yield from select_range((batch.select(list(names)) for batch in batches), row_range)

    @contextmanager
    def open_writer(self, stream: HashingStream, schema: pa.Schema, rows: int) -> Iterator[RowWriter]:
        _ = rows  # the footer is written last and holds the number of rows
        with ipc.new_file(stream, schema) as writer:
            yield writer


def _is_arrow_file(file: pa.NativeFile) -> bool:
    begin = file.read(len(MAGIC))
    file.seek(0)
    return bool(begin == MAGIC)


def _layout_of_file(file: pa.NativeFile, block_rows: int) -> FileLayout:
    whole = ipc.open_file(file)
    # The number of rows of a batch is known after reading one of its columns.
    narrow = ipc.open_file(file, options=ipc.IpcReadOptions(included_fields=[0])) if len(whole.schema) else whole
    sizes = [narrow.get_batch(number).num_rows for number in range(narrow.num_record_batches)]
    return FileLayout(whole.schema.remove_metadata(), has_names=True, row_ranges=group_into_ranges(sizes, block_rows))


def _read_file(file: pa.NativeFile, row_range: RowRange) -> Iterator[pa.RecordBatch]:
    reader = ipc.open_file(file)
    for number in range(row_range.begin, row_range.end):
        yield reader.get_batch(number)


def _layout_of_stream(file: pa.NativeFile, block_rows: int) -> FileLayout:
    schema = ipc.read_schema(file)
    for field in schema:
        if pa.types.is_dictionary(field.type):
            raise ValueError(
                f"this is an Arrow stream and its column {field.name!r} has a dictionary; write it as an Arrow file"
            )
    offsets, sizes = [file.tell()], []
    for message in _messages(file):
        sizes.append(ipc.read_record_batch(message, schema).num_rows)
        offsets.append(file.tell())
    # A stream has no index of its batches, so its ranges begin and end at byte offsets.
    row_ranges = (
        RowRange(part.first, part.rows, offsets[part.begin], offsets[part.end], part.skip)
        for part in group_into_ranges(sizes, block_rows)
    )
    return FileLayout(schema.remove_metadata(), has_names=True, row_ranges=tuple(row_ranges))


def _read_stream(file: pa.NativeFile, schema: pa.Schema, row_range: RowRange) -> Iterator[pa.RecordBatch]:
    file.seek(row_range.begin)
    for message in _messages(file):
        yield ipc.read_record_batch(message, schema)
        if file.tell() >= row_range.end:
            return


def _messages(file: pa.NativeFile) -> Iterator[ipc.Message]:
    while True:
        try:
            message = ipc.read_message(file)
        except EOFError:
            return
        if message.type != "record batch":
            raise ValueError(f"the Arrow stream holds a {message.type} message; expected only record batches")
        yield message
