"""One array in a .npy file: rows [rows, columns] without names, or records [rows] with the names of their fields."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.lib import format as npy

from diffeo.tables.files import NPY_ERRORS
from diffeo.tables.reading.options import ReadOptions

from ..block import RowRange, split_rows
from ..location import HashingStream, Location
from .format import READ_ROWS, SNIFFED, FileLayout, RowWriter

AXES: Final = 2
VERSION_1: Final = (1, 0)


class Npy:
    """Files that end with .npy."""

    def layout(
        self, location: Location, block_rows: int, options: ReadOptions = SNIFFED, expected: Sequence[str] = ()
    ) -> FileLayout:
        _ = options, expected  # a file of this format says itself what it holds
        (rows, columns), dtype, _ = _header(location)
        row_ranges = tuple(split_rows(0, rows, block_rows))
        if dtype.fields is not None:
            fields = [(name, _arrow_type(field[0])) for name, field in dtype.fields.items()]
            return FileLayout(pa.schema(fields), has_names=True, row_ranges=row_ranges)
        schema = pa.schema([(str(number), pa.from_numpy_dtype(dtype)) for number in range(columns)])
        return FileLayout(schema, has_names=False, row_ranges=row_ranges)

    def read(
        self, location: Location, layout: FileLayout, row_range: RowRange, names: Sequence[str]
    ) -> Iterator[pa.RecordBatch]:
        _ = layout  # the header also holds the position of the first row
        (_, columns), dtype, begin = _header(location)
        width = columns * dtype.itemsize
        with location.open() as stream:
            stream.seek(begin + row_range.first * width)
            for done in range(0, row_range.rows, READ_ROWS):
                count = min(READ_ROWS, row_range.rows - done)
                content = stream.read(count * width)
                if len(content) < count * width:
                    raise ValueError("the file ends before its last row")
                rows = np.frombuffer(content, dtype).reshape(-1, columns).astype(dtype.newbyteorder("="), copy=False)
                vectors = [rows[name][:, 0] if dtype.fields else rows[:, int(name)] for name in names]
                arrays = [pa.array(np.ascontiguousarray(vector)) for vector in vectors]
                yield pa.record_batch(arrays, names=list(names))

    @contextmanager
    def open_writer(self, stream: HashingStream, schema: pa.Schema, rows: int) -> Iterator[RowWriter]:
        # One column is written as a vector, as `diffeo.tables.files` does.
        shape = (rows, len(schema)) if len(schema) > 1 else (rows,)
        dtype = np.result_type(*(field.type.to_pandas_dtype() for field in schema))
        header = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(stream, header)
        yield _ArrayWriter(stream, dtype)


class _ArrayWriter:
    def __init__(self, stream: HashingStream, dtype: np.dtype[np.generic]) -> None:
        self._stream = stream
        self._dtype = dtype

    def write(self, batch: pa.RecordBatch) -> None:
        columns = [column.to_numpy(zero_copy_only=False) for column in batch.columns]
        self._stream.write(np.stack(columns, axis=1).astype(self._dtype, copy=False).tobytes())


def _arrow_type(dtype: np.dtype[np.generic]) -> pa.DataType:
    try:
        return pa.from_numpy_dtype(dtype)
    except (pa.ArrowNotImplementedError, TypeError):
        return pa.binary()  # Arrow lacks the type; binary stands for any type that is not a number


def _header(location: Location) -> tuple[tuple[int, int], np.dtype[np.generic], int]:
    """The shape, the type of the numbers, and the position of the first number in the file."""
    with location.open() as stream:
        try:
            version = npy.read_magic(stream)
            read = npy.read_array_header_1_0 if version == VERSION_1 else npy.read_array_header_2_0
            shape, fortran, dtype = read(stream)
        except NPY_ERRORS as error:
            raise ValueError(f"this is not a .npy file: {error}") from None
        if len(shape) == 1 and dtype.fields is not None:
            return (shape[0], 1), dtype, stream.tell()
        if len(shape) != AXES or dtype.kind not in "fiu" or fortran:
            order = ", column after column" if fortran else ""
            raise ValueError(
                f"the file holds {dtype} of shape {shape}{order}; expected a table of numbers, row after row"
            )
        rows, columns = shape
        return (rows, columns), dtype, stream.tell()
