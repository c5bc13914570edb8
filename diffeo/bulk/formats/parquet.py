"""Parquet files: blocks consist of whole row groups."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
from pyarrow import parquet

from diffeo.tables.reading.options import ReadOptions

from ..block import RowRange
from ..location import HashingStream, Location
from .format import READ_ROWS, SNIFFED, FileLayout, RowWriter, group_into_ranges, select_range


class Parquet:
    """The format of files that end with .parquet."""

    def layout(
        self, location: Location, block_rows: int, options: ReadOptions = SNIFFED, expected: Sequence[str] = ()
    ) -> FileLayout:
        _ = options, expected  # a file of this format says itself what it holds
        with location.open() as stream, parquet.ParquetFile(stream) as file:
            sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
            schema = file.schema_arrow.remove_metadata()
            return FileLayout(schema, has_names=True, row_ranges=group_into_ranges(sizes, block_rows))

    def read(
        self, location: Location, layout: FileLayout, row_range: RowRange, names: Sequence[str]
    ) -> Iterator[pa.RecordBatch]:
        _ = layout  # the footer of the file is read again
        with location.open() as stream, parquet.ParquetFile(stream) as file:
            groups = range(row_range.begin, row_range.end)
            batches = file.iter_batches(READ_ROWS, groups, list(names), use_threads=False)
            yield from select_range(batches, row_range)

    @contextmanager
    def open_writer(self, stream: HashingStream, schema: pa.Schema, rows: int) -> Iterator[RowWriter]:
        _ = rows  # the footer is written last and holds the number of rows
        # A dictionary saves space for repeated values: kept text may repeat, computed numbers do not.
        may_repeat = [field.name for field in schema if not pa.types.is_floating(field.type)]
        with parquet.ParquetWriter(stream, schema, compression="snappy", use_dictionary=may_repeat or False) as writer:
            yield writer
