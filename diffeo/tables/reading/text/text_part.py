"""Opens a text as a `Part`: finds its dialect and its header."""

import codecs
from typing import Final

from diffeo.errors import TableError

from ... import csv_records, csv_text
from ...cells import shown
from ...csv_text import Header
from ...errors import UnreadableTable
from ..options import ReadOptions
from ..part import Part, PartLog
from . import dialect, encoding, header_line
from .compression import DAMAGED, unpacked
from .dialect import Dialect
from .text_reader import Open, Text, TextReader

# Rows below line 1 that decide whether it names the columns.
ROWS_BELOW: Final = 200
PIECE_BYTES: Final = 2**22


def open_text(name: str, opener: Open, options: ReadOptions, compression: str = "") -> Part:
    """Open a text.

    Args:
        name: name of the file.
        opener: opens the file at its beginning; it is called more than once.
        options: what the person gave.
        compression: "gzip", "zstd" or empty.

    Raises:
        TableError: the bytes are no text, or the text has no rows.
    """
    with opener() as stream:
        head = _head(unpacked(stream, compression), name)
    found = dialect.find(head, options, name, cut=len(head) == csv_text.MAX_HEADER_BYTES, compression=compression)
    if found.encoding == "utf-8" and not found.encoding_is_given:
        found = _checked(name, opener, found)
    text = Text(name, opener, found)
    first = next(text.blocks(), b"")
    cells, begin, lines, below = _first_rows(first, name)
    line_1 = header_line.decide(cells, below, options.header, name)
    header = Header(
        None if line_1.is_data else line_1.names,
        len(cells),
        0 if line_1.is_data else begin,
        0 if line_1.is_data else lines,
    )
    log = PartLog(anchors=[(0, header.lines + 1)])
    reader = TextReader(text, header, options.missing_values, log)
    notes = (*found.notes(name), *line_1.notes)
    return Part(name, line_1.names, line_1.names_from, "line", reader.blocks, log, notes, line_1.faults, line_1.index)


def _head(stream: object, name: str) -> bytes:
    read = stream.read  # type: ignore[attr-defined]
    try:
        content: bytes = read(csv_text.MAX_HEADER_BYTES)
    except DAMAGED as error:
        raise TableError(f"{name} cannot be unpacked ({error}); copy or write it again") from None
    if not content.strip():
        raise TableError(f"{name} is empty; expected a line of names, then one row of numbers a line")
    return content


def _checked(name: str, opener: Open, found: Dialect) -> Dialect:
    # A letter that is not UTF-8 may stand far behind the first lines.
    decoder = codecs.getincrementaldecoder("utf-8")()
    with opener() as stream:
        source = unpacked(stream, found.compression)
        try:
            while content := source.read(PIECE_BYTES):
                if not content.isascii() or decoder.getstate()[0]:
                    try:
                        decoder.decode(content)
                    except UnicodeDecodeError:
                        other = encoding.without_utf8(content)
                        return Dialect(other, found.delimiter, found.decimal, found.compression)
        except DAMAGED as error:
            raise TableError(f"{name} cannot be unpacked ({error}); copy or write it again") from None
    return found


def _first_rows(first: bytes, name: str) -> tuple[list[csv_records.Cell], int, int, list[list[str]]]:
    """The cells of line 1, the index of the byte and the number of lines behind it, and the rows below it."""
    content = first.removeprefix(csv_text.BYTE_ORDER_MARK)
    mark = len(first) - len(content)
    text = content.decode()
    try:
        cells, end = csv_records.record(text, 0, 1)
        after = csv_records.LINE_END.match(text, end)
        end = end if after is None else after.end()
        if csv_text.SPREADSHEET.fullmatch(",".join(cell for cell, _ in cells)):
            raise TableError(
                f"line 1 of {name} is {shown(text[:end].strip())}, which is for a spreadsheet; remove the line"
            )
        below: list[list[str]] = []
        lines = len(csv_records.LINE_END.findall(text, 0, end))
        for _, row in csv_records.records(text[end:].replace("\r\n", "\n").replace("\r", "\n"), lines + 1):
            if len(row) == len(cells) and row != [""]:
                below.append(row)
            if len(below) == ROWS_BELOW:
                break
    except UnreadableTable as error:
        raise TableError(f"{name}, {error}") from None
    if not any(cell.strip() for cell, _ in cells):
        raise TableError(f"line 1 of {name} is empty; remove it, or write the names of the columns there")
    return cells, mark + len(text[:end].encode()), lines, below
