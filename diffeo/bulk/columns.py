"""Converts columns of a file to rows of a model, by the rules of `diffeo.tables`, and answers to columns of a file."""

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


def match_columns(layout: FileLayout, names: Sequence[str], file: str) -> tuple[str, ...]:
    """The names that the model's columns have in the file; a file without names is matched by position.

    Raises:
        TableError: a column is missing, occurs twice, or does not hold numbers.
    """
    given = layout.schema.names
    try:
        if layout.has_names:
            positions = columns.positions(given, names)
        else:
            columns.check_width(len(given), names)
            positions = list(range(len(given)))
    except WrongTable as error:
        raise TableError(f"{file}: {error}") from None
    for position in positions:
        kind = layout.schema.field(position).type
        if not (layout.is_text or _is_number(kind)):
            raise TableError(f"{file}: the column {shown(given[position])} holds {kind}; expected numbers")
    return tuple(given[position] for position in positions)


def rows(batch: pa.RecordBatch, names: Sequence[str], wrong: Wrong, first: int) -> Rows:
    """The values of these columns [rows, D]; a missing value is NaN.

    Args:
        batch: some rows of a file.
        names: the file's names of the model's columns.
        wrong: "refuse" raises an error for text that is neither a number nor missing; "null" makes it NaN.
        first: number of rows of the file before the batch.

    Raises:
        WrongCell: a cell is neither a number nor missing.
    """
    return np.stack([_numbers(batch.column(name), name, wrong, first) for name in names], axis=1)


def to_batch(
    tensors: Mapping[str, npt.NDArray[np.floating]], schema: pa.Schema, kept: Sequence[pa.Array]
) -> pa.RecordBatch:
    """A batch of the kept columns, then the computed columns; NaN becomes null."""
    computed: list[pa.Array] = []
    for tensor in tensors.values():
        vectors = tensor.T if tensor.ndim > 1 else tensor[None]
        computed += [pa.array(np.ascontiguousarray(vector), from_pandas=True) for vector in vectors]
    return pa.RecordBatch.from_arrays([*kept, *computed], schema=schema)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _numbers(column: pa.Array, name: str, wrong: Wrong, first: int) -> npt.NDArray[np.floating]:
    if pa.types.is_string(column.type):
        column = _parse_numbers(column, name, wrong, first)
    elif not pa.types.is_float32(column.type):
        # Integers beyond 2^53 become the nearest number, as in every computation of a density.
        column = pc.cast(column, pa.float64(), safe=False)
    found: npt.NDArray[np.floating] = column.to_numpy(zero_copy_only=False)
    return found


def _parse_numbers(column: pa.Array, name: str, wrong: Wrong, first: int) -> pa.Array:
    try:
        found = pc.cast(column, pa.float64())
    except pa.ArrowInvalid:
        found = None
    # pyarrow also reads nan(1) as a number, so a column with NaN is read again by our rule.
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
