"""Finds the delimiter and the decimal sign of a text by its first lines; `Dialect` holds both with the encoding."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from diffeo.errors import TableError

from ...cells import number, shown
from ...csv_records import records
from ...errors import UnreadableTable
from ..options import DELIMITERS, Decimal, ReadOptions
from . import encoding

# Lines that decide. A file is usually the same from its first to its last line.
LINES: Final = 200
# A decimal comma. 1,234 is also a thousand with a separator, if its first digit is not 0.
COMMA_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+,[0-9]*|,[0-9]+)(?:[eE][+-]?[0-9]+)?")
GROUPED: Final = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+")
CALLED: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text spells a table.

    Attributes:
        encoding: name of the encoding in Python.
        delimiter: the character between two cells.
        decimal: the decimal sign.
        compression: "gzip", "zstd" or empty.
        encoding_is_given: the encoding was found in a mark or given by the person, so it is not a guess.
    """

    encoding: str = "utf-8"
    delimiter: str = ","
    decimal: Decimal = "."
    compression: str = ""
    encoding_is_given: bool = False

    @property
    def is_strict(self) -> bool:
        """True if the text is the strict text already, once it is unpacked."""
        return (self.encoding, self.delimiter, self.decimal) == ("utf-8", ",", ".")

    def notes(self, name: str) -> tuple[str, ...]:
        """A sentence for each choice that is not the usual one."""
        found: list[str] = []
        if self.encoding != "utf-8":
            found.append(f"{name} is read as {encoding.CALLED.get(self.encoding, self.encoding)}")
        if self.delimiter != "," or self.decimal != ".":
            decimals = " and decimals by commas" if self.decimal == "," else ""
            found.append(f"the cells of {name} are separated by {CALLED[self.delimiter]}{decimals}")
        return tuple(found)


def find(head: bytes, options: ReadOptions, name: str, *, cut: bool, compression: str = "") -> Dialect:
    r"""The dialect of a text that begins with these bytes.

    >>> dialect = find(b"a;b\n0,5;1,25\n", ReadOptions(), "rows.csv", cut=False)
    >>> dialect.delimiter, dialect.decimal
    (';', ',')

    Args:
        head: the first bytes, unpacked.
        options: what the person gave.
        name: name of the file, for errors.
        cut: whether more bytes follow.
        compression: how the file is compressed.

    Raises:
        TableError: the bytes are no text, or commas can be decimal signs or separators of thousands.
    """
    mark = encoding.mark_of(head)
    found = options.encoding or encoding.find(head, name)
    text = head[len(mark) :].decode(found, errors="replace")
    lines = _first_lines(text, cut=cut)
    delimiter = options.delimiter or _delimiter(lines)
    decimal = options.decimal or _decimal(_cells(lines, delimiter)[1:], delimiter, name)
    given = bool(mark) or options.encoding is not None
    return Dialect(_utf16_name(found, mark), delimiter, decimal, compression, given)


def _utf16_name(name: str, mark: bytes) -> str:
    # The mark is removed before the text is decoded, so the order of the bytes must be in the name.
    if name in {"utf-16", "utf-32", "utf-8-sig"}:
        return dict(encoding.MARKS).get(mark, f"{name}-le" if name != "utf-8-sig" else "utf-8")
    return name


def _first_lines(text: str, *, cut: bool) -> str:
    end = 0
    for _ in range(LINES):
        at = text.find("\n", end)
        if at < 0:
            # The last line of a text that goes on is not whole.
            return text[:end] if cut and end else text
        end = at + 1
    return text[:end]


def _delimiter(lines: str) -> str:
    best, best_score = ",", (0.0, 0.0)
    for delimiter in DELIMITERS:
        rows = [row for row in _cells(lines, delimiter) if row != [""]]
        widths = [len(row) for row in rows]
        if not rows or max(widths) == 1:
            continue
        width = max(set(widths), key=widths.count)
        if width == 1:
            continue
        cells = [cell for row in rows[1:] or rows for cell in row]
        numeric = sum(_is_number(cell) for cell in cells) / len(cells)
        score = (widths.count(width) / len(rows), numeric)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _cells(lines: str, delimiter: str) -> list[list[str]]:
    try:
        return [[swapped(cell, delimiter).strip() for cell in row] for _, row in records(swapped(lines, delimiter), 1)]
    except UnreadableTable:
        return [[cell.strip(' \t"') for cell in line.split(delimiter)] for line in lines.splitlines()]


def swapped(text: str, delimiter: str) -> str:
    """The text with commas in place of the delimiter, and the delimiter in place of commas.

    So the reader of the strict text splits the cells of every dialect; swapping a cell again restores it.
    """
    return text if delimiter == "," else text.translate(str.maketrans(f",{delimiter}", f"{delimiter},"))


def _is_number(cell: str) -> bool:
    return number(cell) is not None or COMMA_NUMBER.fullmatch(cell) is not None


def _decimal(rows: Sequence[Sequence[str]], delimiter: str, name: str) -> Decimal:
    cells = [cell for row in rows for cell in row]
    commas = [cell for cell in cells if COMMA_NUMBER.fullmatch(cell) or GROUPED.fullmatch(cell)]
    points = any("." in cell and number(cell) is not None for cell in cells)
    if not commas or points:
        return "."
    if all(GROUPED.fullmatch(cell) for cell in commas):
        given = "" if delimiter == "," else f", whose cells are separated by {CALLED[delimiter]},"
        raise TableError(
            f"{name}{given} holds numbers such as {shown(commas[0])}, which can mean "
            f"{commas[0].replace(',', '.')} or {commas[0].replace(',', '')}: --decimal comma for the first; "
            "for the second, remove the commas from the numbers"
        )
    return ","
