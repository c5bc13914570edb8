"""Translates a text of any dialect to the strict CSV text: UTF-8, cells separated by commas, decimal points.

Each line of the text becomes one line, so the numbers of lines in errors are those of the file.
"""

import codecs
import io
import re
from collections.abc import Iterator
from typing import Final, Protocol

from diffeo.errors import TableError

from ...cells import number, shown
from ...csv_records import record_ends, records
from ...csv_text import MAX_LINE_BYTES
from .dialect import COMMA_NUMBER, Dialect, swapped
from .encoding import CALLED, mark_of

READ_BYTES: Final = 2**22
NEEDS_QUOTES: Final = re.compile(r'[",\r\n]|^[ \t]|[ \t]$')
# Text in which a decimal comma may be something else: a quote, a point, or a comma that is not between digits.
UNCLEAR_COMMAS: Final = re.compile(rb'[".]|,(?![0-9])|(?<![0-9]),|,[0-9]+,')
TO_COMMAS: Final = {delimiter: bytes.maketrans(delimiter.encode(), b",") for delimiter in (",", ";", "\t", "|")}
TO_COMMAS_AND_POINTS: Final = {
    delimiter: bytes.maketrans(delimiter.encode() + b",", b",.") for delimiter in (";", "\t", "|")
}


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int = -1, /) -> bytes:
        """At most so many bytes; empty at the end."""
        ...


class NotInEncoding(TableError):
    """The text has bytes that its encoding does not have."""


def strict_blocks(stream: Readable, dialect: Dialect, name: str) -> Iterator[bytes]:
    """The strict text, in blocks of whole records.

    Args:
        stream: the bytes of the text, unpacked, from the first one on.
        dialect: how the text spells the table.
        name: name of the file, for errors.

    Raises:
        NotInEncoding: bytes are not in the encoding.
        TableError: numbers with decimal points stand among numbers with decimal commas.
    """
    line, rest, is_first = 1, b"", True
    for content, last in _decoded(stream, dialect, name):
        text = rest + content
        cut = _last_record_end(text, dialect.delimiter, last=last)
        rest = text[cut:]
        if len(rest) > MAX_LINE_BYTES + READ_BYTES:
            raise TableError(f"{name}: line {line} is longer than {MAX_LINE_BYTES} bytes; a quote may be left open")
        if not cut:
            continue
        block = text[:cut]
        yield block if dialect.is_strict else _translated(block, dialect, name, line, is_first=is_first)
        line += block.count(b"\n")
        is_first = False


class StrictText(io.RawIOBase):
    """The strict text as a stream that is read from the beginning to the end; `seek` goes forward only.

    Args:
        stream: the bytes of the text, unpacked.
        dialect: how the text spells the table.
        name: name of the file, for errors.
    """

    def __init__(self, stream: Readable, dialect: Dialect, name: str) -> None:
        self._blocks = strict_blocks(stream, dialect, name)
        self._rest = memoryview(b"")
        self._position = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts: list[bytes] = []
        left = size
        while left:
            if not len(self._rest):
                block = next(self._blocks, None)
                if block is None:
                    break
                self._rest = memoryview(block)
            part = bytes(self._rest if left < 0 else self._rest[:left])
            self._rest = self._rest[len(part) :]
            left = left if left < 0 else left - len(part)
            parts.append(part)
        content = b"".join(parts)
        self._position += len(content)
        return content

    def tell(self) -> int:
        return self._position

    def seek(self, position: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET or position < self._position:
            raise io.UnsupportedOperation("a translated text is read from its beginning to its end")
        while self._position < position and self.read(min(READ_BYTES, position - self._position)):
            pass
        return self._position


def strict_text(content: bytes, dialect: Dialect, name: str) -> bytes:
    r"""The strict text of a whole text.

    >>> strict_text(b"a;b\n0,5;1,25\n", Dialect(delimiter=";", decimal=","), "rows.csv")
    b'a,b\n0.5,1.25\n'

    Raises:
        TableError: as `strict_blocks`.
    """
    return b"".join(strict_blocks(io.BytesIO(content), dialect, name))


def _decoded(stream: Readable, dialect: Dialect, name: str) -> Iterator[tuple[bytes, bool]]:
    # Each block in UTF-8, and whether it is the last one.
    decoder = codecs.getincrementaldecoder(dialect.encoding)()
    content = stream.read(READ_BYTES)
    content = content[len(mark_of(content)) :]
    while True:
        following = stream.read(READ_BYTES) if content else b""
        last = not following
        try:
            if dialect.encoding == "utf-8" and content.isascii() and not decoder.getstate()[0]:
                yield content, last
            else:
                yield decoder.decode(content, final=last).encode(), last
        except UnicodeError:
            called = CALLED.get(dialect.encoding, dialect.encoding)
            raise NotInEncoding(f"{name} is not {called} throughout: name its encoding with --encoding") from None
        if last:
            return
        content = following


def _last_record_end(text: bytes, delimiter: str, *, last: bool) -> int:
    if last:
        return len(text)
    if b'"' not in text and b"\r" not in text:
        return text.rfind(b"\n") + 1
    swap = bytes.maketrans(delimiter.encode() + b",", b"," + delimiter.encode())
    found = record_ends(text.translate(swap), last=False)
    return int(found[-1]) if len(found) else 0


def _translated(block: bytes, dialect: Dialect, name: str, line: int, *, is_first: bool) -> bytes:
    delimiter = dialect.delimiter
    if is_first:
        # Names may hold commas, which are no decimal signs there.
        end = record_ends(_swapped_bytes(block, delimiter), last=True)
        header = block[: int(end[0])] if len(end) else block
        rest = block[len(header) :]
        first = _record_by_record(header, dialect, name, line)
        return first + (_translated(rest, dialect, name, line + 1, is_first=False) if rest else b"")
    if dialect.decimal == ",":
        if delimiter != "," and not UNCLEAR_COMMAS.search(block):
            return block.translate(TO_COMMAS_AND_POINTS[delimiter])
    elif delimiter == ",":
        return block
    elif b'"' not in block and b"," not in block:
        return block.translate(TO_COMMAS[delimiter])
    return _record_by_record(block, dialect, name, line)


def _swapped_bytes(block: bytes, delimiter: str) -> bytes:
    return block.translate(bytes.maketrans(delimiter.encode() + b",", b"," + delimiter.encode()))


def _record_by_record(block: bytes, dialect: Dialect, name: str, line: int) -> bytes:
    text = block.decode().replace("\r\n", "\n").replace("\r", "\n")
    lines: list[str] = []
    for at, row in records(swapped(text, dialect.delimiter), line):
        cells = [swapped(cell, dialect.delimiter) for cell in row]
        if dialect.decimal == ",":
            cells = [_with_point(cell, name, at) for cell in cells]
        lines.append(",".join(_quoted(cell) for cell in cells))
    end = "\n" if text.endswith("\n") else ""
    return ("\n".join(lines) + end).encode()


def _with_point(cell: str, name: str, line: int) -> str:
    plain = cell.strip(" \t")
    if COMMA_NUMBER.fullmatch(plain):
        return plain.replace(",", ".")
    if "." in plain and number(plain) is not None:
        raise TableError(
            f"line {line} of {name} holds {shown(plain)} with a decimal point, and other lines have decimal commas; "
            "write all numbers alike, or name the decimal sign: --decimal"
        )
    return cell


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if NEEDS_QUOTES.search(cell) else cell
