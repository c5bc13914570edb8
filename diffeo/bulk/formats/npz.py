"""Rows in an .npz archive: one array [rows, columns] without names, or one vector for each column; read whole."""

import io
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from diffeo.tables.files import NPY_ERRORS
from diffeo.tables.reading.options import ReadOptions

from ..block import RowRange, split_rows
from ..location import HashingStream, Location
from .format import SNIFFED, FileLayout, RowWriter, split_batch

AXES: Final = 2


class Npz:
    """Files that end with .npz; jobs read them and do not write them."""

    def layout(
        self, location: Location, block_rows: int, options: ReadOptions = SNIFFED, expected: Sequence[str] = ()
    ) -> FileLayout:
        _ = options, expected  # the archive says itself what it holds
        names, columns = _columns(location)
        fields = [(name, pa.from_numpy_dtype(column.dtype)) for name, column in columns.items()]
        row_ranges = tuple(split_rows(0, len(next(iter(columns.values()))), block_rows))
        return FileLayout(pa.schema(fields), has_names=names, row_ranges=row_ranges)

    def read(
        self, location: Location, layout: FileLayout, row_range: RowRange, names: Sequence[str]
    ) -> Iterator[pa.RecordBatch]:
        _ = layout  # the archive is read again
        _, columns = _columns(location)
        end = row_range.first + row_range.rows
        arrays = [pa.array(np.ascontiguousarray(columns[name][row_range.first : end])) for name in names]
        yield from split_batch(pa.record_batch(arrays, names=list(names)))

    def open_writer(self, stream: HashingStream, schema: pa.Schema, rows: int) -> AbstractContextManager[RowWriter]:
        _ = stream, schema, rows
        raise ValueError("a job writes no .npz files; choose --format npy")


def _columns(location: Location) -> tuple[bool, dict[str, npt.NDArray[np.generic]]]:
    """Whether the archive names its columns, and the columns."""
    with location.open() as stream:
        content = bytes(stream.read())
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except NPY_ERRORS as error:
        raise ValueError(f"this is no .npz archive: {error}") from None
    first = next(iter(arrays.values()), np.empty(0))
    if len(arrays) == 1 and first.ndim == AXES:
        return False, {str(position): column for position, column in enumerate(first.T)}
    if not arrays or any(array.ndim != 1 or len(array) != len(first) for array in arrays.values()):
        raise ValueError("the archive holds neither one array of rows and columns nor one vector for each column")
    return True, arrays
