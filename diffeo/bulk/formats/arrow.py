"""Arrow, as a file or as a stream without dictionaries: cut along its batches."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import pyarrow as pa
from pyarrow import ipc

from ..block import Span
from ..location import Hashed, Place
from .format import Outline, Sink, cropped, gathered

MAGIC: Final = b"ARROW1"


class Arrow:
    """Files that end with .arrow, .feather or .arrows."""

    def outline(self, place: Place, block_rows: int) -> Outline:
        with place.open() as file:
            if _is_file(file):
                return _outline_of_file(file, block_rows)
            return _outline_of_stream(file, block_rows)

    def read(self, place: Place, outline: Outline, span: Span, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        with place.open() as file:
            batches = _of_file(file, span) if _is_file(file) else _of_stream(file, outline.schema, span)
            yield from cropped((batch.select(list(names)) for batch in batches), span)

    @contextmanager
    def sink(self, stream: Hashed, schema: pa.Schema, rows: int) -> Iterator[Sink]:
        _ = rows  # a footer says it
        with ipc.new_file(stream, schema) as writer:
            yield writer


def _is_file(file: pa.NativeFile) -> bool:
    begin = file.read(len(MAGIC))
    file.seek(0)
    return bool(begin == MAGIC)


def _outline_of_file(file: pa.NativeFile, block_rows: int) -> Outline:
    whole = ipc.open_file(file)
    # Of each batch one column at most, for the number of its rows.
    thin = ipc.open_file(file, options=ipc.IpcReadOptions(included_fields=[0])) if len(whole.schema) else whole
    sizes = [thin.get_batch(number).num_rows for number in range(thin.num_record_batches)]
    return Outline(whole.schema.remove_metadata(), named=True, spans=gathered(sizes, block_rows))


def _of_file(file: pa.NativeFile, span: Span) -> Iterator[pa.RecordBatch]:
    reader = ipc.open_file(file)
    for number in range(span.begin, span.end):
        yield reader.get_batch(number)


def _outline_of_stream(file: pa.NativeFile, block_rows: int) -> Outline:
    schema = ipc.read_schema(file)
    for field in schema:
        if pa.types.is_dictionary(field.type):
            raise ValueError(f"is a stream whose column {field.name!r} has a dictionary; write it as an Arrow file")
    places, sizes = [file.tell()], []
    for message in _messages(file):
        sizes.append(ipc.read_record_batch(message, schema).num_rows)
        places.append(file.tell())
    spans = (
        Span(span.first, span.rows, places[span.begin], places[span.end], span.skip)
        for span in gathered(sizes, block_rows)
    )
    return Outline(schema.remove_metadata(), named=True, spans=tuple(spans))


def _of_stream(file: pa.NativeFile, schema: pa.Schema, span: Span) -> Iterator[pa.RecordBatch]:
    file.seek(span.begin)
    for message in _messages(file):
        yield ipc.read_record_batch(message, schema)
        if file.tell() >= span.end:
            return


def _messages(file: pa.NativeFile) -> Iterator[ipc.Message]:
    while True:
        try:
            message = ipc.read_message(file)
        except EOFError:
            return
        if message.type != "record batch":
            raise ValueError(f"holds a {message} where a batch of rows was expected")
        yield message
