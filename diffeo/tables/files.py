"""Reads and writes .csv and .npy files for the command line; a written file appears only when it is complete."""

import csv as csv_lines
import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np
import numpy.typing as npt

from diffeo.density import Rows
from diffeo.errors import TableError, WrongTable

from . import arrays, columns, csv
from .csv import CsvTable
from .csv_numbers import Wrong

# NumPy's reader raises these for hostile bytes, besides ValueError.
NPY_ERRORS = (EOFError, MemoryError, OverflowError, SyntaxError, TypeError, TokenError)


@dataclass(frozen=True, slots=True)
class NpyTable:
    """The array of a .npy file: a table without names, or records with names."""

    array: npt.NDArray[np.generic]

    def select(self, names: Sequence[str], wrong: Wrong = "refuse") -> Rows:
        """The columns of these names; by position where the array has no names.

        Raises:
            WrongTable: a column is missing, or the number of columns differs.
        """
        _ = wrong  # all values of an array have one type, so no single cell can be wrong
        if arrays.is_records(self.array):
            return arrays.of_records(self.array, names)
        columns.check_width(self.array.shape[1], names)
        return arrays.rows(self.array)


@dataclass(frozen=True, slots=True)
class FileTable:
    """The table in a file; its errors name the file."""

    name: str
    table: CsvTable | NpyTable

    def select(self, names: Sequence[str], wrong: Wrong = "refuse") -> Rows:
        """The rows [rows, names] of the columns of these names; by position where the file has no names.

        Args:
            names: the columns that the model takes.
            wrong: "refuse" raises an error for a cell that is neither a number nor missing; "null" makes it NaN.

        Raises:
            TableError: the file lacks a column, or a cell or row of it is wrong.
        """
        try:
            return self.table.select(names, wrong)
        except WrongTable as error:
            raise TableError(f"{self.name}: {error}") from None


def read(path: Path) -> FileTable:
    """Open a .csv or .npy file as a table; the path - is CSV from standard input.

    Raises:
        TableError: the file does not exist, has another suffix, or is not a table.
    """
    try:
        if path.suffix == ".npy":
            return FileTable(path.name, NpyTable(_read_npy(path)))
        if path.suffix == ".csv":
            return FileTable(path.name, csv.read(path.read_bytes()))
        if str(path) == "-":
            return FileTable("standard input", csv.read(_standard_input()))
    except FileNotFoundError:
        raise TableError(f"no file {path}") from None
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, *NPY_ERRORS) as error:
        raise TableError(f"{'standard input' if str(path) == '-' else path.name}: {error}") from None
    raise TableError(f"{path.name}: rows are read from .csv or .npy files")


@contextmanager
def writer(path: Path | None, columns: Sequence[str]) -> Iterator["Writer"]:
    """A writer to a .csv or .npy file, or of CSV to standard output if `path` is None.

    The file appears when the `with` block ends, and not if the block raises an error.
    """
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
        # Created before anything is computed, so that a folder without write access is reported at once.
        draft.touch()
        yield draft
        draft.replace(path)
    except OSError as error:
        raise TableError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        with suppress(OSError):
            draft.unlink()


class CsvWriter:
    """Writes rows to an open file as CSV."""

    def __init__(self, file: IO[str], columns: Sequence[str]) -> None:
        self._lines = csv_lines.writer(file, lineterminator="\n")
        self._header: Sequence[str] = columns

    def begin(self) -> None:
        """Write the header, once. `write` calls this, so a command that fails before its first rows prints nothing."""
        if self._header:
            self._lines.writerow(self._header)
            self._header = ()

    def write(self, rows: Rows) -> None:
        """Append rows [rows, columns]; NaN becomes an empty cell."""
        self.begin()
        text = [["" if np.isnan(value) else str(value) for value in row] for row in rows]
        self._lines.writerows(text)


class NpyWriter:
    """Collects rows and writes them as one array at the end."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._blocks: list[Rows] = []

    def write(self, rows: Rows) -> None:
        """Append rows [rows, columns]."""
        self._blocks.append(rows)

    def save(self, path: Path) -> None:
        """Write the collected rows; one column becomes a vector."""
        table = np.concatenate(self._blocks) if self._blocks else np.empty((0, self._width), np.float32)
        with path.open("wb") as file:
            np.save(file, table[:, 0] if self._width == 1 else table, allow_pickle=False)


Writer = CsvWriter | NpyWriter


def _standard_input() -> bytes:
    # A test may replace sys.stdin by a StringIO, which has no buffer of bytes.
    return sys.stdin.read().encode() if isinstance(sys.stdin, io.StringIO) else sys.stdin.buffer.read()


def _read_npy(path: Path) -> npt.NDArray[np.generic]:
    with path.open("rb") as file:
        array: npt.NDArray[np.generic] = np.lib.format.read_array(file, allow_pickle=False)
    is_table = array.ndim == 2 and array.dtype.kind in "fiu"  # noqa: PLR2004  (a table has 2 axes)
    if not is_table and not (array.ndim == 1 and array.dtype.names is not None):
        raise ValueError(f"holds {array.dtype} of shape {array.shape}; expected a table of numbers")
    return array
