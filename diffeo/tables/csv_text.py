"""Reads the header and the records of a CSV text in UTF-8, without pyarrow.

Cells are separated by commas. A cell may be enclosed in double quotes; it may then hold commas, line ends, and quotes
written twice. Spaces and tabs around a cell and around its quotes do not count. Lines end with LF, CRLF or CR.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from .cells import BLANKS, number, shown
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

QUOTED: Final = re.compile(r'[ \t]*+"([^"]*+(?:""[^"]*+)*+)"[ \t]*+(?=[,\r\n]|\Z)')
PLAIN: Final = re.compile(r'(?![ \t]*+")([^,\r\n]*+)')
SEPARATORS: Final = np.frombuffer(b",\n\r", np.uint8)
LINE_END: Final = re.compile(r"\r\n|\n|\r")
SPREADSHEET: Final = re.compile(r"sep=.?,?", re.IGNORECASE)

Cell = tuple[str, bool]  # the text, and whether it is enclosed in quotes
Positions = npt.NDArray[np.int64]


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
    cells, end = _record(text, 0, 1)
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


def records(text: str, line: int) -> Iterator[tuple[int, list[str]]]:
    """The cells of each record, with the line on which the record begins; the first one begins on `line`.

    Raises:
        UnreadableTable: a quote does not enclose its cell.
    """
    at = 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        plain = text[at:end]
        if '"' in plain:
            cells, end = _record(text, at, line)
            yield line, [cell for cell, _ in cells]
            line += text.count("\n", at, end)
        else:
            yield line, plain.split(",")
        at = end + 1
        line += 1


def record_ends(content: bytes, *, last: bool) -> Positions:
    """The positions at which the records of a segment end: for each record, the index of the first byte after it.

    If a quote does not enclose its cell, the search stops there; the rest is one record if the text ends.

    Args:
        content: the segment, which begins with a record; its lines may end in any way.
        last: whether the text ends with the segment; then the last record needs no line end.
    """
    lines = _line_ends(content, last=last)
    if b'"' in content:
        quotes = _quotes(content)
        if _quotes_enclose_cells(content, quotes) and not (last and len(quotes) % 2):
            # A line end with an even number of quotes before it is not inside quotes.
            lines = lines[np.searchsorted(quotes, lines) % 2 == 0]
        else:
            lines = _record_ends_one_by_one(content, last=last)
    if last and (lines[-1] if len(lines) else 0) < len(content):
        lines = np.append(lines, len(content))
    return lines


def has_plain_quotes(content: bytes) -> bool:
    """True if every double quote begins or ends a cell, or is one of two in a quoted cell.

    A text without plain quotes may still be a table: blanks may surround quotes, and an unquoted cell may hold a quote.
    """
    quotes = _quotes(content)
    return len(quotes) % 2 == 0 and _quotes_enclose_cells(content, quotes)


def _quotes(content: bytes) -> Positions:
    return np.flatnonzero(np.frombuffer(content, np.uint8) == ord('"'))


def _quotes_enclose_cells(content: bytes, quotes: Positions) -> bool:
    # The last quote may open a cell that ends in the next segment.
    padded = np.frombuffer(b"\n" + content + b"\n", np.uint8)
    opening, closing = quotes[0::2], quotes[1::2]
    opens, closes = _is_separator(padded[opening]), _is_separator(padded[closing + 2])
    # Two quotes side by side are one quote in a cell: the first closes, the second opens.
    later = opening[1:]
    double = later == closing[: len(later)] + 1
    opens[1:] |= double
    closes[: len(later)] |= double
    return bool(opens.all() and closes.all())


def _is_separator(characters: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    return np.isin(characters, SEPARATORS)


def _line_ends(content: bytes, *, last: bool) -> Positions:
    characters = np.frombuffer(content, np.uint8)
    found = characters == ord("\n")
    if b"\r" in content:
        returns = characters == ord("\r")
        # In CRLF the LF ends the line. A CR at the end of a segment may be followed by LF in the next one, so it waits.
        returns[:-1] &= ~found[1:]
        returns[-1:] &= last
        found = found | returns
    return np.flatnonzero(found) + 1


def _record_ends_one_by_one(content: bytes, *, last: bool) -> Positions:
    # Latin-1 has one character per byte, so a position in the text is the same position in the bytes.
    text = content.decode("latin-1")
    at = 0
    found: list[int] = []
    while at < len(text):
        try:
            _, end = _record(text, at, 0)
        except UnreadableTable:
            # The cell continues in the next segment, or it is wrong: then the reader of the record reports its line.
            break
        after = LINE_END.match(text, end)
        # A CR at the end of a segment waits for the next segment, as above.
        if after is None or (not last and text[end:] == "\r"):
            break
        at = after.end()
        found.append(at)
    return np.array(found, np.int64)


def _record(text: str, at: int, line: int) -> tuple[list[Cell], int]:
    """The cells of the record that begins at this character, and the position at which it ends."""
    cells: list[Cell] = []
    begin = at
    while True:
        if (plain := PLAIN.match(text, at)) is not None:
            cells.append((plain[1], False))
            at = plain.end()
        elif (quoted := QUOTED.match(text, at)) is not None:
            cells.append((quoted[1].replace('""', '"'), True))
            at = quoted.end()
        else:
            line += len(LINE_END.findall(text, begin, at))
            raise UnreadableTable(f"line {line}: a quote does not enclose its cell; close it, or write it twice")
        if text[at : at + 1] != ",":
            return cells, at
        at += 1


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
