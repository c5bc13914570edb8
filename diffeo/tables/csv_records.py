"""Finds the records of a CSV text and splits them into cells, without pyarrow; `csv_text` specifies the text."""

import re
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from .errors import UnreadableTable

QUOTED: Final = re.compile(r'[ \t]*+"([^"]*+(?:""[^"]*+)*+)"[ \t]*+(?=[,\r\n]|\Z)')
PLAIN: Final = re.compile(r'(?![ \t]*+")([^,\r\n]*+)')
SEPARATORS: Final = np.frombuffer(b",\n\r", np.uint8)
LINE_END: Final = re.compile(r"\r\n|\n|\r")

Cell = tuple[str, bool]  # the text, and whether it is enclosed in quotes
Positions = npt.NDArray[np.int64]


def record(text: str, at: int, line: int) -> tuple[list[Cell], int]:
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
            cells, end = record(text, at, line)
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
            _, end = record(text, at, 0)
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
