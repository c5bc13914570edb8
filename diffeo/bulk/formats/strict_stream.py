"""Opens a text file of a job as the strict text: as it is, or translated from its beginning on."""

from contextlib import AbstractContextManager, closing
from pathlib import PurePosixPath
from typing import Protocol

from diffeo.tables.reading.content import HEAD_BYTES, check_suffix, content_of
from diffeo.tables.reading.options import ReadOptions
from diffeo.tables.reading.text import dialect
from diffeo.tables.reading.text.compression import unpacked
from diffeo.tables.reading.text.dialect import Dialect
from diffeo.tables.reading.text.translation import StrictText

from ..location import Location
from .format import STRICT


class Seekable(Protocol):
    """A stream of bytes that can go forward to a position."""

    def read(self, size: int = -1, /) -> bytes:
        """At most so many bytes."""
        ...

    def seek(self, position: int, /) -> object:
        """Go to a position."""
        ...

    def tell(self) -> int:
        """The position."""
        ...

    def close(self) -> None:
        """Give the file back."""
        ...


def dialect_of(location: Location, options: ReadOptions) -> Dialect:
    """The dialect of a file, by its first bytes.

    Raises:
        TableError: the file is no text, or its dialect is unclear.
    """
    with location.open() as file:
        head = bytes(file.read(HEAD_BYTES))
    if not head:
        return STRICT
    packing = content_of(head, location.name)
    check_suffix(packing, location.name, PurePosixPath(location.name).suffix.lower())
    if packing in {"gzip", "zstd"}:
        with location.open() as file:
            head = unpacked(file, packing).read(HEAD_BYTES)
        content = content_of(head, location.name)
    else:
        content, packing = packing, "text"
    if content != "text":
        check_suffix(content, location.name, ".csv")
    cut = len(head) == HEAD_BYTES
    return dialect.find(head, options, location.name, cut=cut, compression="" if packing == "text" else packing)


def open_strict(location: Location, spelling: Dialect) -> AbstractContextManager[Seekable]:
    """The strict text of a file, from its beginning on."""
    file = location.open()
    if spelling.is_strict and not spelling.compression:
        return closing(file)
    return closing(StrictText(unpacked(file, spelling.compression), spelling, location.name))
