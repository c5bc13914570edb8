"""The kind of a cell: a number, missing, a truth value, a date, or text."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

import numpy as np

from ...cells import BLANKS, number
from ..source_table import Holds

TRUTH: Final = {"true": 1.0, "false": 0.0}
DATE: Final = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[T ].*)?|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}(?: .*)?"
    r"|\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?|\d{1,2}[ -]?[A-Za-z]{3,9}[ -]?\d{2,4}|[A-Z][a-z]{2,8} \d{1,2}, \d{4}"
)


def value_of(cell: str, missing: frozenset[str]) -> float | None:
    """The number in a cell: NaN if it is missing, None if it is wrong.

    >>> value_of("?", frozenset({"?"})), value_of("1.5", frozenset()), value_of("tall", frozenset())
    (nan, 1.5, None)
    """
    text = cell.strip(BLANKS)
    if missing and text in missing:
        return np.nan
    return number(text)


def truth_of(cell: str, missing: frozenset[str]) -> float | None:
    """1 for true, 0 for false, NaN for a missing cell, None for another."""
    text = cell.strip(BLANKS)
    truth = TRUTH.get(text.lower())
    if truth is not None:
        return truth
    value = value_of(text, missing)
    return value if value is not None and np.isnan(value) else None


def holds(cells: Iterable[str]) -> Holds:
    """The kind of most of these cells, none of which is a number or missing.

    >>> holds(["2024-01-31", "2024-02-01"]), holds(["tall", "small"]), holds(["True", "FALSE"])
    ('dates', 'text', 'truth values')
    """
    counts: Counter[Holds] = Counter(_kind(cell.strip(BLANKS)) for cell in cells)
    return counts.most_common(1)[0][0] if counts else "nothing"


def _kind(cell: str) -> Holds:
    if cell.lower() in TRUTH:
        return "truth values"
    return "dates" if DATE.fullmatch(cell) else "text"
