"""Opens Parquet and Arrow files, and tables of pyarrow, as a `Part`; the index of a pandas DataFrame is no data."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np

from diffeo.errors import TableError, requires_extra

from ..cells import shown
from .content import Content
from .part import BLOCK_ROWS, Block, BlockColumn, Part, PartLog, distinct
from .source_table import SHOWN_CELLS, CellExample, Holds, NamesFrom

if TYPE_CHECKING:
    import pyarrow as pa

FEATURE: Final = "reading Parquet and Arrow files"


def open_file(name: str, opener: Callable[[], IO[bytes]], content: Content) -> Part:
    """Open a Parquet or Arrow file.

    Raises:
        TableError: the file is damaged.
        NotInstalled: pyarrow is not installed.
    """
    with requires_extra(FEATURE, "bulk"):
        import pyarrow as pa  # noqa: PLC0415  (a client-only installation has only numpy)
        from pyarrow import ipc, parquet  # noqa: PLC0415  (as above)

    errors = (OSError, ValueError, pa.ArrowException)

    def batches() -> "Iterator[pa.RecordBatch]":
        try:
            with opener() as stream:
                file = pa.PythonFile(stream, mode="r")
                if content == "parquet":
                    yield from parquet.ParquetFile(file).iter_batches(BLOCK_ROWS)
                elif content == "arrow file":
                    reader = ipc.open_file(file)
                    yield from (reader.get_batch(number) for number in range(reader.num_record_batches))
                else:
                    yield from ipc.open_stream(file)
        except errors as error:
            raise TableError(f"{name} is damaged ({_short(error)}); write it again") from None

    try:
        with opener() as stream:
            file = pa.PythonFile(stream, mode="r")
            if content == "parquet":
                schema = parquet.ParquetFile(file).schema_arrow
            else:
                schema = (ipc.open_file(file) if content == "arrow file" else ipc.open_stream(file)).schema
    except errors as error:
        raise TableError(f"{name} is damaged ({_short(error)}); write it again") from None
    return of_batches(name, schema, batches)


def of_batches(
    name: str, schema: "pa.Schema", batches: "Callable[[], Iterator[pa.RecordBatch]]", names_from: NamesFrom = "schema"
) -> Part:
    """The part of some record batches of one schema."""
    names, faults = distinct(tuple(schema.names), name)
    index = _index(schema)
    notes = tuple(f"{shown(schema.names[at])} of {name} is the index of a DataFrame of pandas" for at in sorted(index))

    def blocks() -> Iterator[Block]:
        first = 0
        for batch in batches():
            for begin in range(0, batch.num_rows, BLOCK_ROWS):
                part = batch.slice(begin, BLOCK_ROWS)
                yield Block(part.num_rows, tuple(block_column(column, first) for column in part.columns))
                first += part.num_rows

    return Part(name, names, names_from, "row", blocks, PartLog(), notes, faults, index)


def block_column(column: "pa.Array", first: int) -> BlockColumn:
    """The cells of one column of a record batch; `first` is the number of rows before it."""
    import pyarrow as pa  # noqa: PLC0415  (as above)
    import pyarrow.compute as pc  # noqa: PLC0415  (as above)

    types, kind = pa.types, column.type
    if types.is_null(kind):
        return BlockColumn("nothing", np.full(len(column), np.nan), len(column))
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind):
        source = pc.cast(column, pa.uint8()) if types.is_boolean(kind) else column
        if types.is_decimal(kind):
            # pyarrow converts a decimal to a float with an error in the last digit, but the text of it without one.
            source = pc.cast(column, pa.string())
        # A copy: pyarrow keeps the memory of its blocks for later ones, and those would be all blocks of a large table.
        values = np.array(pc.cast(source, pa.float64(), safe=False).to_numpy(zero_copy_only=False))
        missing = int(np.count_nonzero(np.isnan(values)))
        holds: Holds = "truth values" if types.is_boolean(kind) else "numbers"
        return BlockColumn(holds if missing < len(values) else "nothing", values, missing)
    return BlockColumn(_holds(kind), None, column.null_count, _examples(column, first))


def _holds(kind: "pa.DataType") -> Holds:
    import pyarrow as pa  # noqa: PLC0415  (as above)

    types = pa.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_temporal(kind):
        return "dates"
    is_text = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    return "text" if is_text else "other values"


def _examples(column: "pa.Array", first: int) -> tuple[CellExample, ...]:
    cells = column.slice(0, SHOWN_CELLS).to_pylist()
    return tuple(CellExample(first + row, shown(cell)) for row, cell in enumerate(cells) if cell is not None)


def _index(schema: "pa.Schema") -> frozenset[int]:
    """Positions of the columns that pandas wrote as the index of a DataFrame."""
    content = (schema.metadata or {}).get(b"pandas")
    if content is None:
        return frozenset()
    try:
        described: Any = json.loads(content)
        index: Sequence[object] = described["index_columns"]
    except (ValueError, KeyError, TypeError):
        return frozenset()
    # A range of numbers is described by a dictionary, and is no column of the file.
    return frozenset(at for at, name in enumerate(schema.names) if name in index)


def _short(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")[:120]
