"""Columns of a file to rows of a model, by name, and answers back to columns; what is NaN there is null here."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from diffeo.density import Rows
from diffeo.errors import TableError
from diffeo.tables.files import number

from .formats.format import FileLayout


def matched(layout: FileLayout, names: Sequence[str], file: str) -> tuple[str, ...]:
    """The file's names of the model's columns; a file without names is taken as it stands.

    Raises:
        TableError: a column is missing, is there twice, or holds no numbers.
    """
    given = layout.schema.names
    takes = f"the model takes {', '.join(names)}"
    if not layout.has_names and len(given) != len(names):
        raise TableError(f"{file} has {len(given)} columns without names; {takes}")
    chosen = tuple(names if layout.has_names else given)
    for name in chosen:
        if given.count(name) != 1:
            raise TableError(f"{file} {'lacks' if name not in given else 'repeats'} the column {name!r}; {takes}")
        kind = layout.schema.field(name).type
        if not (layout.is_text or _is_number(kind)):
            raise TableError(f"the column {name!r} of {file} holds {kind}; expected numbers")
    return chosen


def rows(batch: pa.RecordBatch, names: Sequence[str]) -> Rows:
    """The values of these columns [rows, D]; a cell without a number is NaN."""
    columns = [_numbers(batch.column(name)) for name in names]
    return np.stack(columns, axis=1)


def answered(
    tensors: Mapping[str, npt.NDArray[np.floating]], schema: pa.Schema, kept: Sequence[pa.Array]
) -> pa.RecordBatch:
    """What was kept of the rows and, beside it, what was computed of them."""
    computed: list[pa.Array] = []
    for tensor in tensors.values():
        columns = tensor.T if tensor.ndim > 1 else tensor[None]
        # NaN is null.
        computed += [pa.array(np.ascontiguousarray(column), from_pandas=True) for column in columns]
    return pa.RecordBatch.from_arrays([*kept, *computed], schema=schema)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _numbers(column: pa.Array) -> npt.NDArray[np.floating]:
    if pa.types.is_string(column.type):
        column = _parsed(column)
    elif not pa.types.is_float32(column.type):
        # Integers beyond 2^53 become the nearest number, as they do wherever densities are computed.
        column = pc.cast(column, pa.float64(), safe=False)
    found: npt.NDArray[np.floating] = column.to_numpy(zero_copy_only=False)
    return found


def _parsed(column: pa.Array) -> pa.Array:
    try:
        return pc.cast(column, pa.float64())
    except pa.ArrowInvalid:
        # Some cell is no number; the others are, and bytes that are no UTF-8 are no number either.
        cells = (cell.decode("latin-1") if cell is not None else "" for cell in column.cast(pa.binary()).to_pylist())
        return pa.array([number(cell) for cell in cells], pa.float64())
