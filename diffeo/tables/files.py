"""Reads the file that a command names, by its content; writes .csv and .npy files, which appear when complete."""

import csv as csv_lines
import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from tokenize import TokenError
from typing import IO, Final

import numpy as np
import numpy.typing as npt

from diffeo.density import Rows
from diffeo.errors import TableError, WrongTable

from .cells import number
from .csv_numbers import Wrong
from .file_table import NamedTable, NpyTable, TextTable
from .reading import sources
from .reading.combine import combine
from .reading.content import HEAD_BYTES, Content, check_suffix, content_of
from .reading.options import ReadOptions
from .reading.text import compression, dialect, encoding, translation

SNIFFED: Final = ReadOptions()
# NumPy's reader raises these for hostile bytes, besides ValueError.
NPY_ERRORS: Final = (EOFError, MemoryError, OverflowError, SyntaxError, TypeError, TokenError)


@dataclass(frozen=True, slots=True)
class FileTable:
    """The table in a file; its errors name the file."""

    name: str
    table: TextTable | NpyTable | NamedTable

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


def read(path: Path, options: ReadOptions = SNIFFED) -> FileTable:
    """Open a file as a table, by its content; the path - is standard input.

    Text is translated to the strict text, and then read by the rules of `diffeo.tables`, as the service reads it.

    Args:
        path: the file.
        options: how a text is read, where that is not found in its content.

    Raises:
        TableError: the file does not exist, has a format that is not read, or is not a table.
    """
    is_standard_input = str(path) == "-"
    name = "standard input" if is_standard_input else path.name
    try:
        content = _standard_input() if is_standard_input else path.read_bytes()
    except FileNotFoundError:
        raise TableError(f"no file {path}") from None
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from None
    return FileTable(name, _table(name, content, options))


def _table(name: str, content: bytes, options: ReadOptions) -> TextTable | NpyTable | NamedTable:
    kind = _kind(name, content)
    if kind in {"gzip", "zstd"}:
        content = compression.unpacked_whole(content, kind, name)
        name = name.removesuffix(PurePath(name).suffix)
        kind = _kind(name, content)
    if kind == "text":
        return TextTable(name, _strict(name, content, options), options)
    if kind == "npy":
        return NpyTable(_read_npy(name, content))
    source = sources.Source(name, len(content), lambda: io.BytesIO(content))
    return NamedTable(combine([sources.open_source(source, options)], options, ""))


def _kind(name: str, content: bytes) -> Content:
    suffix = PurePath(name).suffix.lower()
    # An empty file has no content that says what it is.
    kind: Content = content_of(content[:HEAD_BYTES], name) if content else "text"
    if suffix == ".npy" and kind in {"text", "npy"}:
        return "npy"
    check_suffix(kind, name, suffix)
    return kind


def _strict(name: str, content: bytes, options: ReadOptions) -> bytes:
    if not content:
        return content
    head = content[:HEAD_BYTES]
    found = dialect.find(head, options, name, cut=len(head) < len(content))
    if found.is_strict:
        if encoding.is_utf8(content) or found.encoding_is_given:
            return content
        found = replace(found, encoding=encoding.without_utf8(content))
    return translation.strict_text(content, found, name)


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
        self._file = file
        self._lines = csv_lines.writer(file, lineterminator="\n")
        self._header: Sequence[str] = columns

    def begin(self) -> None:
        """Write the header, once. `write` calls this, so a command that fails before its first rows prints nothing."""
        if self._header:
            self._file.write(",".join(_quoted(name) for name in self._header) + "\n")
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


def _quoted(name: str) -> str:
    # In quotes a name such as 2019 is read as a name again, and not as a number.
    is_plain = number(name) is None and not any(sign in name for sign in ',"\r\n') and name == name.strip()
    return name if is_plain else '"' + name.replace('"', '""') + '"'


def _standard_input() -> bytes:
    # A test may replace sys.stdin by a StringIO, which has no buffer of bytes.
    return sys.stdin.read().encode() if isinstance(sys.stdin, io.StringIO) else sys.stdin.buffer.read()


def _read_npy(name: str, content: bytes) -> npt.NDArray[np.generic]:
    try:
        array: npt.NDArray[np.generic] = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except (ValueError, *NPY_ERRORS) as error:
        raise TableError(f"{name}: {error}") from None
    is_table = array.ndim == 2 and array.dtype.kind in "fiu"  # noqa: PLR2004  (a table has 2 axes)
    if not is_table and not (array.ndim == 1 and array.dtype.names is not None):
        raise TableError(f"{name}: holds {array.dtype} of shape {array.shape}; expected a table of numbers")
    return array
