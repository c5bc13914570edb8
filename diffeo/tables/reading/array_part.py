"""Opens .npy files, .npz archives and arrays as a `Part`."""

import io
from collections.abc import Callable, Iterator, Sequence
from tokenize import TokenError
from typing import IO, Any, Final
from zipfile import BadZipFile
from zlib import error as DeflateError  # noqa: N812  (a class that zlib names in lower case)

import numpy as np
import numpy.typing as npt

from diffeo.errors import TableError

from ..cells import number_of, shown
from ..columns import listed
from .part import BLOCK_ROWS, Block, BlockColumn, Part, PartLog, distinct, numbered
from .source_table import SHOWN_CELLS, CellExample, Holds

Array = npt.NDArray[Any]

AXES: Final = 2
# NumPy's reader raises these for hostile bytes.
ERRORS: Final = (
    ValueError, EOFError, MemoryError, OverflowError, SyntaxError, TypeError, TokenError, KeyError, OSError,
    BadZipFile, DeflateError, NotImplementedError,
)  # fmt: skip


def open_npy(name: str, opener: Callable[[], IO[bytes]]) -> Part:
    """Open a .npy file: rows [rows, columns], records [rows], or one column [rows].

    Raises:
        TableError: the file is damaged, or its array is no table.
    """
    try:
        with opener() as stream:
            array = np.lib.format.read_array(stream, allow_pickle=False)
    except ERRORS as error:
        raise TableError(f"{name} cannot be read ({error}); save the array again with numpy.save") from None
    return of_array(name, array)


def open_npz(name: str, opener: Callable[[], IO[bytes]]) -> Part:
    """Open an .npz archive: one array with two axes, or one vector for each column.

    Raises:
        TableError: the file is damaged, or its arrays are no table.
    """
    try:
        with opener() as stream, np.load(io.BytesIO(stream.read()), allow_pickle=False) as archive:
            arrays: dict[str, Array] = {key: archive[key] for key in archive.files}
    except ERRORS as error:
        raise TableError(f"{name} cannot be read ({error}); save the arrays again with numpy.savez") from None
    if len(arrays) == 1 and next(iter(arrays.values())).ndim == AXES:
        return of_array(name, next(iter(arrays.values())))
    lengths = {len(array) if array.ndim == 1 else -1 for array in arrays.values()}
    if len(lengths) != 1 or -1 in lengths:
        held = listed([f"{key} {list(array.shape)}" for key, array in arrays.items()])
        raise TableError(f"{name} holds the arrays {held}; save one table with numpy.save, or one vector a column")
    return of_columns(name, list(arrays), list(arrays.values()))


def of_array(name: str, array: Array) -> Part:
    """The part of an array; a vector is one column, and a masked value is missing.

    Raises:
        TableError: the array has another shape.
    """
    if array.dtype.names is not None and array.ndim == 1:
        return of_columns(name, list(array.dtype.names), [array[field] for field in array.dtype.names])
    if array.ndim == 1:
        return of_columns(name, None, [array])
    if array.ndim != AXES or array.dtype.names is not None:
        raise TableError(f"{name} has shape {array.shape}; expected two axes, rows and columns: reshape it")
    return of_columns(name, None, [array[:, column] for column in range(array.shape[1])])


def of_columns(name: str, names: Sequence[str] | None, columns: Sequence[Array]) -> Part:
    """The part of some vectors; without names the columns are called x0, x1, ...

    Raises:
        TableError: there is no column.
    """
    if not columns:
        raise TableError(f"{name} has no columns; expected at least one")
    own, faults = (numbered(len(columns)), ()) if names is None else distinct(tuple(names), name)

    def blocks() -> Iterator[Block]:
        for first in range(0, len(columns[0]), BLOCK_ROWS):
            parts = [column[first : first + BLOCK_ROWS] for column in columns]
            yield Block(len(parts[0]), tuple(block_column(part, first) for part in parts))

    return Part(name, own, "numbered" if names is None else "schema", "row", blocks, PartLog(), (), faults)


def block_column(array: Array, first: int) -> BlockColumn:
    """The cells of a vector; `first` is the number of rows before it."""
    kind = array.dtype.kind
    if kind in "fiub":
        values = np.ma.filled(np.ma.asarray(array).astype(np.float64), np.nan)
        missing = int(np.count_nonzero(np.isnan(values)))
        holds: Holds = "truth values" if kind == "b" else "numbers"
        return BlockColumn(holds if missing < len(values) else "nothing", np.ascontiguousarray(values), missing)
    if kind == "O":
        return _of_objects(array, first)
    examples = tuple(CellExample(first + row, shown(cell)) for row, cell in enumerate(array[:SHOWN_CELLS].tolist()))
    return BlockColumn("dates" if kind in "mM" else "text" if kind in "US" else "other values", None, 0, examples)


def _of_objects(array: Array, first: int) -> BlockColumn:
    cells = array.tolist()
    if any(isinstance(cell, bool) for cell in cells) and all(cell is None or isinstance(cell, bool) for cell in cells):
        cells = [None if cell is None else float(cell) for cell in cells]
        holds: Holds = "truth values"
    else:
        holds = "numbers"
    found = [number_of(cell) for cell in cells]
    wrong = [row for row, value in enumerate(found) if value is None]
    values = np.array([np.nan if value is None else value for value in found], np.float64)
    numbers = int(np.count_nonzero(~np.isnan(values)))
    examples = tuple(CellExample(first + row, shown(cells[row])) for row in wrong[:SHOWN_CELLS])
    if wrong and not numbers:
        holds = "text" if isinstance(cells[wrong[0]], str) else "other values"
    elif not numbers:
        holds = "nothing"
    return BlockColumn(holds, values, len(cells) - numbers - len(wrong), examples, len(wrong))
