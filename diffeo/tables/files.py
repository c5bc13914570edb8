"""Files of rows for the shell, CSV or npy by suffix; a cell that is no number is NaN, and so is its row's answer."""

import csv
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np

from diffeo.density import Rows
from diffeo.errors import TableError

# As in the tables that a flow is fitted to; float() also takes 1_000 and the digits of any script.
NUMBER = re.compile(r"[+-]?((\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?|nan|inf|infinity)", re.ASCII | re.IGNORECASE)
# What NumPy's reader raises on hostile bytes, besides ValueError.
NPY_ERRORS = (EOFError, MemoryError, OverflowError, SyntaxError, TypeError, TokenError)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of a file and, if it names them, its columns."""

    rows: Rows
    columns: tuple[str, ...] | None

    def select(self, names: Sequence[str]) -> Rows:
        """The rows in the order of `names`; a file without names is taken as it stands.

        Raises:
            TableError: a column is missing, or the number of columns differs.
        """
        if self.columns is not None and set(names) <= set(self.columns):
            return self.rows[:, [self.columns.index(name) for name in names]]
        if self.columns is not None and self.rows.shape[1] != len(names):
            missing = [name for name in names if name not in self.columns]
            raise TableError(f"the file lacks the column {missing[0]!r}; the model takes {', '.join(names)}")
        if self.rows.shape[1] != len(names):
            raise TableError(f"the file has {self.rows.shape[1]} columns; the model takes {', '.join(names)}")
        return self.rows


def read(path: Path) -> Table:
    """The rows of a .csv or .npy file; - is CSV from standard input.

    Raises:
        TableError: no such file, another suffix, or not a table.
    """
    try:
        if path.suffix == ".npy":
            return _read_npy(path)
        if path.suffix == ".csv":
            with path.open(encoding="utf-8-sig", newline="") as file:
                return _read_csv(file, path.name)
        if str(path) == "-":
            return _read_csv(sys.stdin, "standard input")
    except FileNotFoundError:
        raise TableError(f"no file {path}") from None
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, csv.Error, *NPY_ERRORS) as error:
        raise TableError(f"{path.name}: {error}") from None
    raise TableError(f"{path.name}: rows are read from .csv or .npy files")


@contextmanager
def writer(path: Path | None, columns: Sequence[str]) -> Iterator["Writer"]:
    """Where rows go: a .csv or .npy file that appears when it is whole, or CSV on standard output."""
    if path is None:
        yield (out := CsvWriter(sys.stdout, columns))
        out.begin()
        return
    if path.suffix not in {".csv", ".npy"}:
        raise TableError(f"{path.name}: rows are written to .csv or .npy files")
    with _published(path) as draft:
        if path.suffix == ".csv":
            with draft.open("w", encoding="utf-8", newline="") as file:
                yield (out := CsvWriter(file, columns))
                out.begin()
        else:
            collected = NpyWriter(len(columns))
            yield collected
            collected.save(draft)


@contextmanager
def _published(path: Path) -> Iterator[Path]:
    draft = path.with_name(f".{path.name}.part")
    try:
        # Before anything is computed: a folder that cannot be written to is known at once.
        draft.touch()
        yield draft
        draft.replace(path)
    except OSError as error:
        raise TableError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        with suppress(OSError):
            draft.unlink()


class CsvWriter:
    """Appends rows to an open file."""

    def __init__(self, file: IO[str], columns: Sequence[str]) -> None:
        self._lines = csv.writer(file, lineterminator="\n")
        self._header: Sequence[str] = columns

    def begin(self) -> None:
        """Write the names, once: not before there are rows, so that a refusal prints nothing."""
        if self._header:
            self._lines.writerow(self._header)
            self._header = ()

    def write(self, rows: Rows) -> None:
        """Append rows [rows, columns]; NaN becomes an empty cell."""
        self.begin()
        text = [["" if np.isnan(value) else str(value) for value in row] for row in rows]
        self._lines.writerows(text)


class NpyWriter:
    """Collects rows, then writes one array."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._parts: list[Rows] = []

    def write(self, rows: Rows) -> None:
        """Append rows [rows, columns]."""
        self._parts.append(rows)

    def save(self, path: Path) -> None:
        """Write what was collected; one column becomes a vector."""
        table = np.concatenate(self._parts) if self._parts else np.empty((0, self._width), np.float32)
        with path.open("wb") as file:
            np.save(file, table[:, 0] if self._width == 1 else table, allow_pickle=False)


Writer = CsvWriter | NpyWriter


def _read_npy(path: Path) -> Table:
    with path.open("rb") as file:
        rows = np.lib.format.read_array(file, allow_pickle=False)
    if rows.ndim != 2 or rows.dtype.kind not in "fiu":  # noqa: PLR2004  (a table has 2 axes)
        raise ValueError(f"holds {rows.dtype} of shape {rows.shape}; expected a table of numbers")
    return Table(rows.astype(np.float32 if rows.dtype == np.float32 else np.float64), None)


def _read_csv(file: IO[str], name: str) -> Table:
    lines = [line for line in csv.reader(file) if line]
    if not lines:
        raise ValueError("holds no rows")
    header = tuple(cell.strip() for cell in lines[0]) if all(number(cell) is None for cell in lines[0]) else None
    body = lines[1:] if header is not None else lines
    width = len(lines[0])
    for index, line in enumerate(body, start=1):
        if len(line) != width:
            raise ValueError(f"row {index} of {name} has {len(line)} cells; the first line has {width}")
    cells = [[number(cell) for cell in line] for line in body]
    rows = np.array([[np.nan if value is None else value for value in line] for line in cells], dtype=np.float64)
    return Table(rows.reshape(len(body), width), header)


def number(cell: str) -> float | None:
    """What a cell says; None where it is no number."""
    text = cell.strip()
    return float(text) if NUMBER.fullmatch(text) else None
