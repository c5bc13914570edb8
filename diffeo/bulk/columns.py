"""Columns of a file to rows of a model, by the rule of `diffeo.tables`, and answers back to columns."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from diffeo.density import Rows
from diffeo.errors import TableError, WrongTable
from diffeo.tables import columns
from diffeo.tables.cells import EXPECTED, number, shown
from diffeo.tables.csv_numbers import Wrong
from diffeo.tables.errors import WrongCell

from .formats.format import FileLayout


def matched(layout: FileLayout, names: Sequence[str], file: str) -> tuple[str, ...]:
    """The file's names of the model's columns; a file without names is read by position.

    Raises:
        TableError: a column is missing, is there twice, or holds no numbers.
    """
    given = layout.schema.names
    try:
        if layout.has_names:
            places = columns.positions(given, names)
        else:
            columns.check_width(len(given), names)
            places = list(range(len(given)))
    except WrongTable as error:
        raise TableError(f"{file}: {error}") from None
    for place in places:
        kind = layout.schema.field(place).type
        if not (layout.is_text or _is_number(kind)):
            raise TableError(f"{file}: the column {shown(given[place])} holds {kind}; expected numbers")
    return tuple(given[place] for place in places)


def rows(batch: pa.RecordBatch, names: Sequence[str], wrong: Wrong, first: int) -> Rows:
    """The values of these columns [rows, D]; a missing value is NaN.

    Args:
        batch: some rows of a file.
        names: the file's names of the model's columns.
        wrong: "refuse" raises an error for text that is neither a number nor missing; "null" makes it NaN.
        first: how many rows of the file come before the batch.

    Raises:
        WrongCell: a cell is neither a number nor missing.
    """
    return np.stack([_numbers(batch.column(name), name, wrong, first) for name in names], axis=1)


def answered(
    tensors: Mapping[str, npt.NDArray[np.floating]], schema: pa.Schema, kept: Sequence[pa.Array]
) -> pa.RecordBatch:
    """The columns that are kept and, beside them, those that were computed; NaN becomes null."""
    computed: list[pa.Array] = []
    for tensor in tensors.values():
        vectors = tensor.T if tensor.ndim > 1 else tensor[None]
        computed += [pa.array(np.ascontiguousarray(vector), from_pandas=True) for vector in vectors]
    return pa.RecordBatch.from_arrays([*kept, *computed], schema=schema)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _numbers(column: pa.Array, name: str, wrong: Wrong, first: int) -> npt.NDArray[np.floating]:
    if pa.types.is_string(column.type):
        column = _parsed(column, name, wrong, first)
    elif not pa.types.is_float32(column.type):
        # Integers beyond 2^53 become the nearest number, as they do wherever densities are computed.
        column = pc.cast(column, pa.float64(), safe=False)
    found: npt.NDArray[np.floating] = column.to_numpy(zero_copy_only=False)
    return found


def _parsed(column: pa.Array, name: str, wrong: Wrong, first: int) -> pa.Array:
    try:
        found = pc.cast(column, pa.float64())
    except pa.ArrowInvalid:
        found = None
    # pyarrow also reads nan(1) as a number, so every NaN is looked at.
    if found is not None and not pc.any(pc.is_nan(found)).as_py():
        return found
    values: list[float | None] = []
    for row, cell in enumerate(column.to_pylist(), start=first):
        value = number(cell or "")
        if value is None and wrong == "refuse":
            raise WrongCell(
                f"row {row + 1}, column {shown(name)}: {shown(cell)} is no number; {EXPECTED}", row, 0, cell
            )
        values.append(value)
    return pa.array(values, pa.float64())
