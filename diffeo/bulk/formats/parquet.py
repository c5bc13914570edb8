"""Parquet: cut along its groups of rows, read a group at a time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
from pyarrow import parquet

from ..block import Span
from ..location import Hashed, Place
from .format import READ_ROWS, Outline, Sink, cropped, gathered


class Parquet:
    """Files that end with .parquet."""

    def outline(self, place: Place, block_rows: int) -> Outline:
        with place.open() as stream, parquet.ParquetFile(stream) as file:
            sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
            return Outline(file.schema_arrow.remove_metadata(), named=True, spans=gathered(sizes, block_rows))

    def read(self, place: Place, outline: Outline, span: Span, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        _ = outline  # the file says itself what it is like
        with place.open() as stream, parquet.ParquetFile(stream) as file:
            groups = range(span.begin, span.end)
            batches = file.iter_batches(READ_ROWS, groups, list(names), use_threads=False)
            yield from cropped(batches, span)

    @contextmanager
    def sink(self, stream: Hashed, schema: pa.Schema, rows: int) -> Iterator[Sink]:
        _ = rows  # a footer says it
        # Numbers that were computed do not repeat; text that is carried through may.
        repeating = [field.name for field in schema if not pa.types.is_floating(field.type)]
        with parquet.ParquetWriter(stream, schema, compression="snappy", use_dictionary=repeating or False) as writer:
            yield writer
