"""The rule for one cell: it is a number, it is missing, or it is wrong."""

import re
from decimal import Decimal
from itertools import product
from reprlib import Repr
from typing import Final

import numpy as np

# Narrower than float(), which also reads 1_000 and the digits of any script. Possessive, so a long cell is read once.
DECIMAL: Final = r"[+-]?(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?"
NUMBER: Final = re.compile(rf"{DECIMAL}|[+-]?inf(?:inity)?", re.IGNORECASE)
# Spellings of a missing cell, in any mixture of upper and lower case. An empty cell is missing too.
MISSING: Final = frozenset({"", "na", "n/a", "nan", "+nan", "-nan", "null", "none", "<na>"})
# White space that may surround a number. Any other, such as a non-breaking space, makes a cell wrong.
BLANKS: Final = " \t"
SHOWN_CHARACTERS: Final = 40
EXPECTED: Final = "expected a number, or nothing where a value is missing"

NUMBERS: Final = (int, float, np.integer, np.floating, Decimal)


def number(cell: str) -> float | None:
    """The number in a cell: NaN if the cell is missing, None if it is wrong.

    >>> [number(cell) for cell in ("1.5", " 2e3 ", "-inf", "NA", "", "1_000", "12,5")]
    [1.5, 2000.0, -inf, nan, nan, None, None]
    """
    text = cell.strip(BLANKS)
    if NUMBER.fullmatch(text):
        return float(text)
    return np.nan if text.lower() in MISSING else None


def number_of(value: object) -> float | None:
    """A Python object as a number: NaN if it is missing, None if it is not a number.

    >>> [number_of(value) for value in (1, 2.5, None, True, "1")]
    [1.0, 2.5, nan, None, None]
    """
    if value is None or type(value).__name__ in {"NAType", "MaskedConstant"}:
        return np.nan
    # In Python True is an integer, and in NumPy a time difference is one.
    if isinstance(value, NUMBERS) and not isinstance(value, bool | np.timedelta64):
        return float(value)
    return None


def shown(cell: object) -> str:
    """A cell as error sentences quote it, in at most 40 characters."""
    # A table may have thousands of wrong cells; nearly all are short texts.
    if type(cell) is str and len(text := repr(cell[:SHOWN_CHARACTERS])) <= SHOWN_CHARACTERS:
        return text
    short = Repr()
    short.maxstring = short.maxother = SHOWN_CHARACTERS
    return short.repr(cell)


def spellings_of_missing() -> list[str]:
    """Every spelling of a missing cell in upper, lower and mixed case, for readers that respect case."""
    return sorted({"".join(letters) for word in MISSING for letters in product(*({c, c.upper()} for c in word))})
