"""Reads and checks files of rows. In every format, a `Table` has finite float64 numbers and distinct column names."""

import hashlib
import io
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from reprlib import repr as brief
from tokenize import TokenError
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import parquet

from diffeo.bundle.columns import problem
from diffeo.errors import WrongTable
from diffeo.tables import arrays, csv
from diffeo.tables import errors as table_errors
from diffeo.tables.cells import shown

from . import errors

Rows = npt.NDArray[np.float64]  # [rows, D]
Columns = tuple[str, ...]
Reader = Callable[[str, bytes], tuple[Columns, Rows]]

MAX_NAME: Final = 128  # what a manifest can hold (`diffeo.bundle.manifest`)
MIN_COLUMNS: Final = 2  # a coupling maps one half of the columns with parameters that depend on the other half
MIN_ROWS: Final = 500  # a tenth is held out, and a mean of log_prob over fewer than 50 rows is too inexact
MIN_ROWS_PER_COLUMN: Final = 20  # with fewer a fit overfits the rows
# Rounding errors of float64 can spread a single value by one part in 10^12, as 0.1 + 0.2 and 0.3.
CONSTANT_RANGE: Final = 1e-12
# Smallest singular value of the standardised columns. A linear function of a column, both written with 6 digits or as
# float32, leaves up to 3e-5 (means up to 10 spreads from 0); correlation r = 0.9999 leaves sqrt(1 - r) = 1e-2. The
# threshold stands between them and is reached at r = 1 - 1e-8.
COLLINEAR_SPREAD: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Table:
    """Named rows: columns (D names), rows [rows, D], sha256 of the file's bytes."""

    columns: Columns
    rows: Rows
    sha256: str


@dataclass(frozen=True, slots=True)
class Split:
    """Disjoint rows [rows, D] for the fit, for the choice of its best epoch, and for the final loss."""

    train: Rows
    validation: Rows
    test: Rows


def read_checked(path: Path) -> Table:
    """Read a table that a flow can be fitted to; raises DataError as `read` and `check` do."""
    table = read(path)
    check(table, path.name)
    return table


def read(path: Path) -> Table:
    """Read a .csv, .parquet or .npy file; the digest is computed from the same bytes that are parsed.

    CSV is read as `diffeo.tables.csv_text` says: line 1 is a header when no cell of it is a number or missing; without
    a header the columns are x0, x1, ... as for .npy. Every cell must be a finite number: a missing cell, infinity and a
    number too large for float64 are refused. Parquet takes integers, floats and decimals; .npy takes two axes of
    integers or floats, or records of them. Truth values are not numbers.

    Raises:
        DataError: DataMissing, UnknownFormat, UnreadableFile, BadHeader, RaggedRow, NotANumber or NotFinite; the
            sentence names the file, the column and the line as an editor counts it, or the row counted from 1.
    """
    if not path.is_file():
        raise errors.DataMissing(f"no file at {path}; expected one that ends in {', '.join(READERS)}")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise errors.UnknownFormat(f"{path.name} ends in {path.suffix!r}; convert it to one of {', '.join(READERS)}")
    try:
        content = path.read_bytes()
        columns, rows = reader(path.name, content)
    except (OSError, ValueError, EOFError, MemoryError, SyntaxError, TokenError, pa.ArrowException) as error:
        raise errors.UnreadableFile(f"{path.name} cannot be read ({error}); save it again as {path.suffix}") from error
    _check_names(path.name, columns)
    _check_finite(path.name, columns, rows)
    return Table(columns, rows, hashlib.sha256(content).hexdigest())


def check(table: Table, name: str) -> None:
    """Refuse rows that have no density, or that are too few to fit and measure one.

    Args:
        table: the rows.
        name: name of the file, for the error messages.

    Raises:
        DataError: TooFewColumns, TooFewRows, ConstantColumn or CollinearColumns.
    """
    count, width = table.rows.shape
    if width < MIN_COLUMNS:
        raise errors.TooFewColumns(f"{name}: columns found: {width}; expected at least {MIN_COLUMNS}: add a column")
    needed = max(MIN_ROWS, MIN_ROWS_PER_COLUMN * width)
    if count < needed:
        raise errors.TooFewRows(f"{name}: rows found: {count}; {width} columns take at least {needed}: add rows")
    # Values of at most 1, so that no sum overflows.
    unit = table.rows / np.maximum(np.abs(table.rows).max(axis=0), np.finfo(np.float64).tiny)
    for column, value, spread in zip(table.columns, table.rows[0], np.ptp(unit, axis=0), strict=True):
        if spread <= CONSTANT_RANGE:
            raise errors.ConstantColumn(f"{name}, column {column!r}: every row holds {value:.12g}; remove the column")
    _check_collinear(name, table.columns, (unit - unit.mean(axis=0)) / unit.std(axis=0))


def split(rows: Rows, seed: int) -> Split:
    """Split rows into 80 % train, 10 % validation and 10 % test, alike for the same rows and seed on every machine.

    >>> parts = split(np.zeros((1000, 2)), seed=0)
    >>> len(parts.train), len(parts.validation), len(parts.test)
    (800, 100, 100)
    """
    # The order of sorted raw words is the same in every version of numpy; Generator.permutation may change.
    order = np.argsort(np.random.Philox(seed).random_raw(len(rows)), kind="stable")
    tenth = len(rows) // 10
    test, validation, train = np.split(rows[order], [tenth, 2 * tenth])
    return Split(train, validation, test)


def _check_collinear(name: str, columns: Columns, standard: Rows) -> None:
    # R has the same singular values as the columns, and only D rows.
    r = np.linalg.qr(standard / np.sqrt(len(standard))).R  # [D, D]

    def collinear(members: list[int]) -> bool:
        return bool(np.linalg.svdvals(r[:, members]).min(initial=1) <= COLLINEAR_SPREAD)

    rest = list(range(len(columns)))
    found: list[int] = []
    # The shortest collinear prefix ends in a column of a smallest collinear set. Keep it, then search before it.
    while collinear(found + rest) and not collinear(found):
        size = bisect_left(range(len(rest)), x=True, key=lambda k: collinear(found + rest[:k]))
        found.append(rest[size - 1])
        rest = rest[: size - 1]
    if found:
        column, *others = (repr(columns[index]) for index in found)
        names = ", ".join(reversed(others))
        raise errors.CollinearColumns(f"{name}, column {column} is a linear combination of {names}; remove one of them")


def _check_names(name: str, columns: Columns) -> None:
    for index, column in enumerate(columns):
        if not column:
            raise errors.BadHeader(f"{name}: column {index + 1} has no name; give each column one")
        if len(column) > MAX_NAME:
            raise errors.BadHeader(f"{name}: the name {brief(column)} exceeds {MAX_NAME} characters; shorten it")
        if reason := problem(column):
            raise errors.BadHeader(f"{name}: {reason}")
        if column in columns[:index]:
            raise errors.BadHeader(f"{name}: two columns are named {column!r}; rename one")


def _check_finite(name: str, columns: Columns, rows: Rows) -> None:
    if not np.isfinite(rows).all():
        row, index = np.argwhere(~np.isfinite(rows))[0]
        where = f"{name}, row {row + 1}, column {columns[index]!r} holds"
        raise errors.NotFinite(f"{where} null, NaN or infinity; expected a finite number: fill it")


def _numbered(width: int) -> Columns:
    return tuple(f"x{index}" for index in range(width))


def _read_csv(name: str, content: bytes) -> tuple[Columns, Rows]:
    try:
        table = csv.read(content)
        columns = _numbered(table.header.width) if table.header.names is None else table.header.names
        columns = tuple(column.strip() for column in columns)
        _check_names(name, columns)
        rows = table.rows()
    except table_errors.MixedHeader as error:
        raise errors.BadHeader(f"{name}, {error}: correct the line") from None
    except table_errors.RaggedRow as error:
        raise errors.RaggedRow(f"{name}, {error}, separated by commas") from None
    except table_errors.WrongCell as error:
        raise errors.NotANumber(f"{name}, {error}: correct the cell") from None
    except WrongTable as error:
        raise errors.UnreadableFile(f"{name}, {error}") from None
    _check_cells(name, columns, table, rows)
    return columns, rows


def _check_cells(name: str, columns: Columns, table: csv.CsvTable, rows: Rows) -> None:
    finite = np.isfinite(rows)
    if finite.all():
        return
    row, index = np.argwhere(~finite)[0]
    line, cells = next(islice(table.records(), int(row), None))
    where = f"{name}, line {line}, column {columns[index]!r} holds {shown(cells[index].strip())}"
    raise errors.NotFinite(f"{where}; expected a finite number: fill it")


def _read_parquet(name: str, content: bytes) -> tuple[Columns, Rows]:
    table = parquet.ParquetFile(pa.BufferReader(content)).read()
    rows = np.empty(table.shape)
    for index, field in enumerate(table.schema):
        kind = field.type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
            raise errors.NotANumber(f"{name}, column {field.name!r} holds {kind}, not numbers; convert or remove it")
        rows[:, index] = table.column(index).cast(pa.float64(), safe=False)
    return tuple(table.column_names), rows


def _read_npy(name: str, content: bytes) -> tuple[Columns, Rows]:
    array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    if arrays.is_records(array) and array.ndim == 1:
        names = array.dtype.names or ()
        try:
            return names, arrays.of_records(array, names).astype(np.float64)
        except WrongTable as error:
            raise errors.NotANumber(f"{name}: {error}: convert or remove the column") from None
    if array.dtype.kind not in "iuf":
        raise errors.NotANumber(f"{name} holds {array.dtype}; expected integers or floats: convert it")
    if array.ndim != 2:  # noqa: PLR2004  (a table has 2 axes)
        raise errors.UnreadableFile(f"{name} has shape {array.shape}; expected two axes, rows and columns: reshape it")
    return _numbered(array.shape[1]), np.ascontiguousarray(array, dtype=np.float64)


READERS: Final[dict[str, Reader]] = {".csv": _read_csv, ".parquet": _read_parquet, ".npy": _read_npy}
