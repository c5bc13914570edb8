"""Reads the header of a CSV text in UTF-8, and the text of its rows, without pyarrow.

Cells are separated by commas. A cell may be enclosed in double quotes; it may then hold commas, line ends, and quotes
written twice. Spaces and tabs around a cell and around its quotes do not count. Lines end with LF, CRLF or CR.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .cells import BLANKS, number, shown
from .csv_records import LINE_END, Cell, record
from .errors import MixedHeader, UnreadableTable

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
# Longer than the names in a manifest may be, so that a table with further columns can be read.
MAX_NAME: Final = 1000
# Enough for the largest model: its names have 128 characters of four bytes each, and may be escaped.
MAX_HEADER_BYTES: Final = 2**22
SHORT_HEADER_BYTES: Final = 2**12
# The most bytes that one operation on a long text reads.
PIECE_BYTES: Final = 2**20
BLANK_BYTES: Final = b" \t\r\n"
ROW_BLANKS: Final = re.compile(rb"[ \t]*+")
# Longer than any line of numbers for the largest model.
MAX_LINE_BYTES: Final = 2**20

SPREADSHEET: Final = re.compile(r"sep=.?,?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Header:
    """The content of line 1 of a CSV text.

    Attributes:
        names: the names of the columns; None where line 1 is the first row.
        width: number of cells of every row.
        begin: index of the byte at which the first row begins.
        lines: number of lines before the first row.
    """

    names: tuple[str, ...] | None
    width: int
    begin: int
    lines: int


def header(content: bytes) -> Header:
    """Read line 1: names if no cell of it is a number or missing, the first row if all cells are.

    A cell in quotes is a name, even if it looks like a number.

    Raises:
        MixedHeader: some cells are names and others are not.
        UnreadableTable: line 1 is empty or no CSV in UTF-8.
    """
    begin = len(BYTE_ORDER_MARK) if content.startswith(BYTE_ORDER_MARK) else 0
    # Nearly every header is short, and the text after it may be long.
    is_short = LINE_END.search(content[begin : begin + SHORT_HEADER_BYTES].decode("latin-1")) is not None
    is_short &= b'"' not in content[begin : begin + SHORT_HEADER_BYTES]
    size = SHORT_HEADER_BYTES if is_short else MAX_HEADER_BYTES
    text = _decoded(content[begin : begin + size], begin, cut=len(content) > begin + size)
    if not text or text.isspace():
        raise UnreadableTable("the table is empty; expected a line of names, then one row of numbers a line")
    cells, end = record(text, 0, 1)
    names = _names(cells)
    if names is None:
        return Header(None, len(cells), begin, 0)
    if end == len(text) and end >= MAX_HEADER_BYTES:
        raise UnreadableTable(f"line 1 is no header: it is longer than {MAX_HEADER_BYTES} bytes")
    after = LINE_END.match(text, end)
    end = end if after is None else after.end()
    lines = len(LINE_END.findall(text, 0, end))
    return Header(names, len(names), begin + len(text[:end].encode()), lines)


def body(content: bytes, begin: int) -> bytes:
    """The text after the header with LF at the end of every line, without blank lines at its end.

    Raises:
        UnreadableTable: it is not UTF-8.
    """
    if len(content) - begin <= PIECE_BYTES:
        return _body_at_once(content, begin)
    end = _end_of_rows(content, begin)
    # In pieces, because each operation on a long text would hold up all other threads; join() does not.
    pieces: list[bytes] = []
    at = begin
    while at < len(content):
        stop = min(at + PIECE_BYTES, len(content))
        # CR and LF stay together.
        stop += content[stop - 1 : stop + 1] == b"\r\n"
        piece = content[at:stop]
        if not piece.isascii():
            piece = _valid_start(piece, at, last=stop == len(content))
        at += len(piece)
        piece = piece[: max(0, end - at + len(piece))]
        if b"\r" in piece:
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        pieces.append(piece)
    return b"".join(pieces)


def _body_at_once(content: bytes, begin: int) -> bytes:
    text = content[begin:]
    if not text.isascii():
        _decoded(text, begin, cut=False)
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    # Blanks at the end of the last row belong to it: they may be its last cell.
    stripped = text.rstrip(BLANK_BYTES)
    if not stripped:
        return b""
    end = text.find(b"\n", len(stripped))
    return text if end < 0 else text[:end]


def _end_of_rows(content: bytes, begin: int) -> int:
    # Blanks at the end of the last row belong to it: they may be its last cell.
    end = len(content)
    while end > begin:
        at = max(begin, end - PIECE_BYTES)
        if stripped := content[at:end].rstrip(BLANK_BYTES):
            end = at + len(stripped)
            break
        end = at
    if end == begin:
        return begin
    while (blanks := ROW_BLANKS.match(content, end, end + PIECE_BYTES)) is not None and blanks.end() > end:
        end = blanks.end()
    return end


def _valid_start(piece: bytes, begin: int, *, last: bool) -> bytes:
    # A character that the end of the piece cuts waits for the next piece.
    text = _decoded(piece, begin, cut=not last)
    start = piece[: len(text.encode())]
    if not start:
        _decoded(piece, begin, cut=False)
    return start


def _names(cells: Sequence[Cell]) -> tuple[str, ...] | None:
    texts = [text if quoted else text.strip(BLANKS) for text, quoted in cells]
    if SPREADSHEET.fullmatch(",".join(texts)) and not cells[0][1]:
        raise MixedHeader(f"line 1 is {shown(','.join(texts))}, which is for a spreadsheet; remove the line")
    if not any(text.strip() for text in texts):
        raise MixedHeader("line 1 has no name and no number: column 1 has no name; give each column one")
    is_name = [
        bool(text.strip()) and (quoted or number(text) is None) for (_, quoted), text in zip(cells, texts, strict=True)
    ]
    if not any(is_name):
        return None
    if not all(is_name):
        odd, name = is_name.index(False), texts[is_name.index(True)]
        what = shown(texts[odd]) if texts[odd].strip() else "no name"
        raise MixedHeader(
            f"line 1: column {odd + 1} has {what} beside the name {shown(name)}; expected names only or numbers only"
        )
    if any(len(text) > MAX_NAME for text in texts):
        raise UnreadableTable(f"line 1 is no header: a name is longer than {MAX_NAME} characters")
    return tuple(texts)


def _decoded(content: bytes, begin: int, *, cut: bool) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        if cut and error.start >= len(content) - 3:
            return content[: error.start].decode()
        raise UnreadableTable(f"the text is not UTF-8 at byte {begin + error.start}; save it as UTF-8") from None
