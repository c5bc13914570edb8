"""Decides whether line 1 of a text names the columns; a line that could be both is a fault with two options."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ...cells import BLANKS, number
from ...columns import listed
from ...csv_records import Cell
from ..fault import Fault
from ..part import distinct, numbered
from ..source_table import NamesFrom

# How far beyond the range of the rows below, in ranges, a first row may be.
MARGIN: Final = 0.5
MOSTLY: Final = 0.9
ASK: Final = "--header if line 1 names the columns, --no-header if it is data"


@dataclass(frozen=True, slots=True)
class HeaderLine:
    """The meaning of line 1: names or data.

    Attributes:
        names: the names of the columns.
        names_from: where they came from.
        is_data: line 1 is the first row.
        notes: how it was decided.
        faults: what the person decides.
        index: positions of the columns that are an index by their empty name.
    """

    names: tuple[str, ...]
    names_from: NamesFrom
    is_data: bool
    notes: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    index: frozenset[int] = frozenset()


def decide(cells: Sequence[Cell], below: Sequence[Sequence[str]], given: bool | None, source: str) -> HeaderLine:  # noqa: FBT001  (the three answers of an option)
    """Decide what line 1 of a text is.

    Args:
        cells: the cells of line 1, and whether each is in quotes.
        below: the cells of the next rows.
        given: what the person says: line 1 names the columns, or is data; None if nothing was said.
        source: name of the file, for the sentences.
    """
    texts = [text.strip(BLANKS) for text, _ in cells]
    # A cell in quotes is a name, as in the strict text.
    numeric = [
        not quoted and bool(text) and number(text) is not None for (_, quoted), text in zip(cells, texts, strict=True)
    ]
    if given is True:
        return _named(texts, below, source)
    if given is False:
        return _data(texts, "numbered")
    named = [bool(text) and not is_number for text, is_number in zip(texts, numeric, strict=True)]
    if not any(named):
        return _of_numbers(texts, below, source)
    if any(numeric):
        return _of_both(texts, numeric, below, source)
    return _named(texts, below, source)


def _named(texts: Sequence[str], below: Sequence[Sequence[str]], source: str) -> HeaderLine:
    names, faults = distinct(tuple(texts), source)
    # pandas writes an index as a first column without a name.
    is_index = not texts[0] and len(texts) > 1 and _is_running([row[0] for row in below if row])
    empty = [position + 1 for position, text in enumerate(texts) if not text and not (is_index and position == 0)]
    notes = tuple(f"column {position} of {source} has no name; it is called 'column {position}'" for position in empty)
    return HeaderLine(
        names, "header", is_data=False, notes=notes, faults=faults, index=frozenset({0} if is_index else ())
    )


def _data(texts: Sequence[str], names_from: NamesFrom, *notes: str) -> HeaderLine:
    return HeaderLine(numbered(len(texts)), names_from, is_data=True, notes=notes)


def _of_numbers(texts: Sequence[str], below: Sequence[Sequence[str]], source: str) -> HeaderLine:
    """Line 1 holds numbers alone: it is data if each is like the numbers below it, else the person is asked."""
    differences = [_difference(text, _numbers(below, at), at) for at, text in enumerate(texts)]
    why = "counts the columns" if _counts_columns(texts) else next((text for text in differences if text), "")
    if not why:
        note = f"line 1 of {source} is read as data, so the columns are called {listed(numbered(len(texts)))}"
        return _data(texts, "first line is data", note)
    fault = Fault(f"line 1 of {source} holds only numbers ({listed(texts)}) and {why}", ASK)
    return HeaderLine(numbered(len(texts)), "first line is data", is_data=True, faults=(fault,))


def _of_both(texts: Sequence[str], numeric: Sequence[bool], below: Sequence[Sequence[str]], source: str) -> HeaderLine:
    """Line 1 holds text and numbers: text above numbers is a name; text above text alone is asked about."""
    over_numbers = [at for at, is_number in enumerate(numeric) if not is_number and texts[at] and _numbers(below, at)]
    if over_numbers:
        named = _named(texts, below, source)
        number_name = texts[numeric.index(True)]
        note = f"line 1 of {source} names the columns, one of them {number_name}"
        return HeaderLine(
            named.names, "header", is_data=False, notes=(*named.notes, note), faults=named.faults, index=named.index
        )
    fault = Fault(f"line 1 of {source} holds text and numbers ({listed(texts)})", ASK)
    return HeaderLine(numbered(len(texts)), "first line is data", is_data=True, faults=(fault,))


def _numbers(below: Sequence[Sequence[str]], at: int) -> list[tuple[str, float]]:
    cells = [row[at].strip(BLANKS) for row in below if at < len(row)]
    values = [(cell, number(cell)) for cell in cells]
    return [(cell, value) for cell, value in values if value is not None and np.isfinite(value)]


def _difference(text: str, below: Sequence[tuple[str, float]], at: int) -> str:
    """How a number in line 1 differs from the numbers below it; empty if it is like them."""
    value = number(text)
    if not below or value is None or not np.isfinite(value):
        return ""
    values = [number_below for _, number_below in below]
    low, high = min(values), max(values)
    if not low - MARGIN * (high - low) <= value <= high + MARGIN * (high - low):
        return f"differs from the rows below it, where column {at + 1} holds {low:.6g} to {high:.6g}"
    # A whole number above numbers with decimals is more often a name, such as a year.
    with_point = sum(_has_decimals(cell) for cell, _ in below)
    if _has_decimals(text) or with_point < MOSTLY * len(below):
        return ""
    return f"differs from the rows below it, where column {at + 1} has decimals, such as {below[0][0]}"


def _has_decimals(cell: str) -> bool:
    return "." in cell or "e" in cell.lower()


def _counts_columns(texts: Sequence[str]) -> bool:
    return len(texts) > 1 and list(texts) in (
        [str(at) for at in range(len(texts))],
        [str(at + 1) for at in range(len(texts))],
    )


def _is_running(cells: Sequence[str]) -> bool:
    values = [number(cell) for cell in cells]
    return bool(values) and values in (
        [float(at) for at in range(len(values))],
        [float(at + 1) for at in range(len(values))],
    )
