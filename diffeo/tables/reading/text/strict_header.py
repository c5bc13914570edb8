"""Reads the header of a strict text for a model: by the rule of `csv_text`, by an option, or by the model's names."""

from collections.abc import Sequence
from typing import Final

from ... import csv_records, csv_text
from ...csv_text import Header
from ...errors import MixedHeader
from ..options import ReadOptions
from . import header_line

ROWS_BELOW: Final = 200


def read_header(content: bytes, options: ReadOptions, name: str, expected: Sequence[str] = ()) -> Header:
    r"""The header of a text, or of its first bytes.

    Line 1 names the columns if it holds every name that is expected, even if these look like numbers.

    >>> read_header(b"2019,2020\n1,2\n", ReadOptions(), "rows.csv", ["2020"]).names
    ('2019', '2020')

    Args:
        content: the strict text, from its first byte on.
        options: what the person gave.
        name: name of the file, for errors.
        expected: the columns of the model.

    Raises:
        MixedHeader: line 1 holds names and numbers, and it is not clear which they are.
        UnreadableTable: line 1 is empty or no CSV in UTF-8.
    """
    if options.header is None:
        try:
            found = csv_text.header(content)
        except MixedHeader as error:
            return _unclear(content, name, error)
        if found.names is not None or not expected:
            return found
    cells, begin, lines = _line_1(content)
    names = [text.strip() for text, _ in cells]
    is_header = options.header if options.header is not None else set(expected) <= set(names)
    mark = len(csv_text.BYTE_ORDER_MARK) if content.startswith(csv_text.BYTE_ORDER_MARK) else 0
    return Header(tuple(names), len(names), begin, lines) if is_header else Header(None, len(names), mark, 0)


def _unclear(content: bytes, name: str, error: MixedHeader) -> Header:
    """Line 1 with names and numbers, or with a name that is empty, read as for a fit."""
    cells, begin, lines = _line_1(content)
    if not any(text.strip() for text, _ in cells) or csv_text.SPREADSHEET.fullmatch(
        ",".join(text for text, _ in cells)
    ):
        raise error
    text = content[begin : begin + csv_text.SHORT_HEADER_BYTES * 16].decode(errors="replace")
    # The last line may be cut.
    rows = [row.split(",") for row in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[:ROWS_BELOW]]
    below = [row for row in rows if len(row) == len(cells)]
    decided = header_line.decide(cells, below, None, name)
    if decided.faults:
        raise MixedHeader(f"{error}; {decided.faults[0].option}") from None
    return Header(decided.names, len(cells), begin, lines)


def _line_1(content: bytes) -> tuple[list[csv_records.Cell], int, int]:
    """The cells of line 1, the index of the first byte behind it, and its number of lines."""
    mark = len(csv_text.BYTE_ORDER_MARK) if content.startswith(csv_text.BYTE_ORDER_MARK) else 0
    text = content[mark : mark + csv_text.MAX_HEADER_BYTES].decode(errors="replace")
    cells, end = csv_records.record(text, 0, 1)
    after = csv_records.LINE_END.match(text, end)
    end = end if after is None else after.end()
    return cells, mark + len(text[:end].encode()), len(csv_records.LINE_END.findall(text, 0, end))
