"""Finds the files that a person names, and opens each one by its content as a `Part`."""

import glob
import hashlib
import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from diffeo.errors import TableError

from . import array_part, arrow_part
from .content import HEAD_BYTES, Content, check_suffix, content_of
from .options import ReadOptions
from .part import Part
from .text import compression
from .text.text_part import open_text

STANDARD_INPUT: Final = "standard input"
# Files of a folder with one of these suffixes are read if the folder is named.
SUFFIXES: Final = (".csv", ".tsv", ".txt", ".npy", ".npz", ".parquet", ".arrow", ".arrows", ".feather", ".ipc")


@dataclass(frozen=True, slots=True)
class Source:
    """A file or standard input.

    Attributes:
        name: its name in sentences.
        size: number of its bytes.
        open: opens it at its beginning, any number of times.
    """

    name: str
    size: int
    open: Callable[[], IO[bytes]]

    def sha256(self) -> str:
        """Digest of its bytes."""
        with self.open() as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]


def find(named: Sequence[str | Path]) -> list[Source]:
    """The files that paths and patterns name; - is standard input, and a folder stands for the tables in it.

    Raises:
        TableError: a path names no file, or a file cannot be opened.
    """
    found: dict[str, Source] = {}
    for each in named:
        if str(each) == "-":
            found.setdefault("-", _of_bytes(STANDARD_INPUT, _standard_input()))
            continue
        for path in _paths(each):
            # A file that two patterns name is read once.
            found.setdefault(str(path.resolve()), _source(path))
    return list(found.values())


def open_source(source: Source, options: ReadOptions) -> Part:
    """Open a file by its content.

    Raises:
        TableError: its format is not read, its name says another format, or it is damaged.
    """
    with source.open() as stream:
        head = stream.read(HEAD_BYTES)
    name, suffix = source.name, Path(source.name).suffix.lower()
    content = content_of(head, name)
    if source.name != STANDARD_INPUT:
        check_suffix(content, name, suffix)
    return (
        _open_packed(source, content, options)
        if content in {"gzip", "zstd"}
        else _open_content(source, content, options)
    )


def _open_content(source: Source, content: Content, options: ReadOptions) -> Part:
    if content == "text":
        return open_text(source.name, source.open, options)
    if content == "npy":
        return array_part.open_npy(source.name, source.open)
    if content == "npz":
        return array_part.open_npz(source.name, source.open)
    return arrow_part.open_file(source.name, source.open, content)


def _open_packed(source: Source, packing: str, options: ReadOptions) -> Part:
    with source.open() as stream:
        try:
            head = compression.unpacked(stream, packing).read(HEAD_BYTES)
        except compression.DAMAGED as error:
            raise TableError(f"{source.name} cannot be unpacked ({error}); copy or write it again") from None
    content = content_of(head, source.name)
    if content == "text":
        return open_text(source.name, source.open, options, packing)
    if content in {"gzip", "zstd"}:
        raise TableError(f"{source.name} is compressed twice; unpack it once")
    with source.open() as stream:
        whole = compression.unpacked_whole(stream.read(), packing, source.name)
    inner = content_of(whole[:HEAD_BYTES], source.name)
    check_suffix(inner, source.name.rpartition(".")[0], compression.inner_suffix(source.name))
    return _open_content(_of_bytes(source.name, whole), inner, options)


def _paths(named: str | Path) -> list[Path]:
    path = Path(named)
    try:
        if path.is_dir():
            files = sorted(
                file for file in path.iterdir()
                if compression.inner_suffix(file.name) in SUFFIXES and not file.name.startswith((".", "_"))
            )  # fmt: skip
            if not files:
                raise TableError(
                    f"the folder {path} holds no table; expected files that end with {', '.join(SUFFIXES)}"
                )
            return files
        if path.exists():
            return [path]
        # A name may hold the characters of a pattern; so a file of exactly this name comes first.
        files = sorted(Path(match) for match in glob.glob(str(named), recursive=True) if Path(match).is_file())  # noqa: PTH207  (a pattern may be absolute)
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from None
    if not files:
        what = f"no file matches {named}" if glob.has_magic(str(named)) else f"no file at {named}"
        raise TableError(f"{what}; expected one that ends with {', '.join(SUFFIXES)}, or - for standard input")
    return files


def _of_bytes(name: str, content: bytes) -> Source:
    return Source(name, len(content), lambda: io.BytesIO(content))


def _source(path: Path) -> Source:
    try:
        size = path.stat().st_size
        with path.open("rb"):
            pass
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from None
    if not size:
        raise TableError(f"{path.name} is empty; expected a table")
    return Source(path.name, size, lambda: path.open("rb"))


def _standard_input() -> bytes:
    # A test may replace sys.stdin by a StringIO, which has no buffer of bytes.
    content = sys.stdin.read().encode() if isinstance(sys.stdin, io.StringIO) else sys.stdin.buffer.read()
    if not content:
        raise TableError("standard input is empty; expected a table")
    return content
