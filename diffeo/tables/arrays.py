"""Converts arrays to rows of numbers. A masked value or None is missing; any other value must be a number."""

from collections.abc import Sequence
from typing import Final, TypeGuard

import numpy as np
import numpy.typing as npt

from diffeo.density import Rows
from diffeo.errors import WrongTable

from . import columns
from .cells import number_of, shown
from .errors import WrongCell, WrongType

AXES: Final = 2
# Classes of tables that have names, which NumPy would read by position.
TABLES: Final = frozenset({"DataFrame", "LazyFrame", "Table", "RecordBatch", "Dataset"})


def rows(array: object) -> Rows:
    """The rows [rows, columns] of an array or of nested lists: float32 stays, all other numbers become float64.

    >>> rows([[1, None], [2, 3]]).tolist()
    [[1.0, nan], [2.0, 3.0]]

    Raises:
        WrongTable: the array does not have two axes, or its values are not numbers.
    """
    found = numbers(array)
    if found.ndim != AXES:
        raise WrongTable(f"the rows have shape {found.shape}; expected (rows, columns)")
    return np.ascontiguousarray(found)


def numbers(array: object) -> Rows:
    """The numbers of an array of any shape; a masked value is NaN.

    Raises:
        WrongTable: the values are of another type: dates, complex numbers, text, bytes, truth values, records, objects.
    """
    if type(array).__name__ in TABLES:
        kind = type(array)
        raise WrongType(
            f"{kind.__module__.partition('.')[0]}.{kind.__name__} is not read; pass a DataFrame of pandas or polars"
        )
    try:
        found = np.asanyarray(array)
    except (TypeError, ValueError) as error:
        raise WrongTable(f"the rows are no table of numbers: {error}") from None
    if np.ma.isMaskedArray(found):
        values = numbers(np.ma.getdata(found))
        return np.where(np.ma.getmaskarray(found), values.dtype.type(np.nan), values)
    found = np.asarray(found)
    if found.dtype.names is not None:
        raise WrongType(f"the rows are no table of numbers: they are records of {columns.listed(found.dtype.names)}")
    if found.dtype.kind == "O":
        return _of_objects(found)
    if found.dtype.kind not in "fiu":
        raise WrongType(f"the rows are no table of numbers: they hold {found.dtype}")
    return found.astype(np.float32 if found.dtype == np.float32 else np.float64, copy=False)


def is_records(table: object) -> TypeGuard[npt.NDArray[np.void]]:
    """True for a structured array, which has a name for each column."""
    return isinstance(table, np.ndarray) and table.dtype.names is not None


def of_records(records: npt.NDArray[np.void], names: Sequence[str]) -> Rows:
    """The fields of these names of a structured array [rows], in this order.

    Raises:
        WrongTable: a field is missing or holds no numbers.
    """
    fields = records.dtype.names or ()
    chosen = [fields[position] for position in columns.positions(fields, names)]
    if records.ndim != 1:
        raise WrongTable(f"the records have shape {records.shape}; expected (rows,)")
    return np.stack([column(records[field], field) for field in chosen], axis=1).astype(np.float64, copy=False)


def column(values: object, name: str) -> Rows:
    """The numbers of one named column.

    Raises:
        WrongTable: the column does not hold numbers.
    """
    try:
        found = numbers(values)
    except WrongCell as error:
        sentence = f"row {error.row + 1}, column {shown(name)}: {error.cell} is no number"
        raise WrongCell(sentence, error.row, 0, error.cell) from None
    except WrongType:
        kind = np.asanyarray(values).dtype
        raise WrongType(f"the column {shown(name)} holds {kind}; expected numbers") from None
    if found.ndim != 1:
        raise WrongTable(f"the column {shown(name)} has shape {found.shape}; expected one number a row")
    return found


def _of_objects(array: npt.NDArray[np.object_]) -> Rows:
    values = [number_of(value) for value in array.flat]
    if None in values:
        index = np.unravel_index(values.index(None), array.shape) if array.ndim else (0,)
        row, column_index = int(index[0]), int(index[1]) if len(index) > 1 else 0
        value = array.flat[values.index(None)]
        sentence = f"row {row + 1}, column {column_index + 1}: {shown(value)} is no number"
        raise WrongCell(sentence, row, column_index, shown(value))
    return np.array(values, dtype=np.float64).reshape(array.shape)
