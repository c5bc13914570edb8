"""`Choices`: which columns and rows a person chose, parsed once from the options of the command line."""

import csv
from dataclasses import dataclass
from math import isfinite
from typing import Final, Literal

from ..errors import DataError

MIN_ROWS: Final = 50


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and the greatest value that a column can have; None where there is no bound."""

    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Choices:
    """The choices of a person.

    Attributes:
        columns: the only columns that are used, in this order; they are kept even if they look like an id. Empty: all.
        drop: columns that are left out.
        missing: what happens to a row with a missing cell: "refuse" is a fault, "drop" leaves the row out.
        missing_values: numbers that mark a missing cell, such as -999.
        weights: name of the column of importance weights.
        bounds: (name, bounds) of columns.
        integers: columns of whole numbers that are fitted as such.
        min_rows: the fewest rows that are fitted.
    """

    columns: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    missing: Literal["refuse", "drop"] = "refuse"
    missing_values: tuple[float, ...] = ()
    weights: str | None = None
    bounds: tuple[tuple[str, Bounds], ...] = ()
    integers: tuple[str, ...] = ()
    min_rows: int = MIN_ROWS

    def bounds_of(self, name: str) -> Bounds | None:
        """The bounds of a column that the person gave."""
        return dict(self.bounds).get(name)


def parse_names(text: str) -> tuple[str, ...]:
    """The names in a list with commas; a name that holds a comma stands in double quotes.

    >>> parse_names('height, "mass, kg"')
    ('height', 'mass, kg')
    """
    cells = next(csv.reader([text], skipinitialspace=True), [])
    return tuple(dict.fromkeys(name for cell in cells if (name := cell.strip())))


def parse_bounds(text: str) -> tuple[tuple[str, Bounds], ...]:
    """The bounds of columns, each as NAME=LOW:HIGH; a side that is left empty has no bound.

    >>> parse_bounds("a=0:1,b=0:")
    (('a', Bounds(low=0.0, high=1.0)), ('b', Bounds(low=0.0, high=None)))

    Raises:
        DataError: the text has another form, or a low bound is not below the high one.
    """
    found: dict[str, Bounds] = {}
    for item in parse_names(text):
        name, equals, sides = item.rpartition("=")
        low, colon, high = sides.partition(":")
        if not (equals and colon and name.strip()):
            raise DataError(f"--bounds holds {item!r}; expected NAME=LOW:HIGH, such as a=0:1 or b=0:")
        bounds = Bounds(_side(low, item), _side(high, item))
        if bounds.low is None and bounds.high is None:
            raise DataError(f"--bounds holds {item!r} without a number; expected NAME=LOW:HIGH, such as a=0:1 or b=0:")
        if bounds.low is not None and bounds.high is not None and bounds.low >= bounds.high:
            raise DataError(f"--bounds holds {item!r}, whose low bound is not below the high one; exchange them")
        found[name.strip()] = bounds
    return tuple(found.items())


def parse_missing_values(text: str) -> tuple[frozenset[str], tuple[float, ...]]:
    """The cells that mark a missing value, as text and, where they are numbers, as numbers.

    >>> parse_missing_values("-999")
    (frozenset({'-999'}), (-999.0,))
    """
    words = parse_names(text)
    numbers: list[float] = []
    for word in words:
        try:
            value = float(word)
        except ValueError:
            continue
        if isfinite(value):
            numbers.append(value)
    return frozenset(words), tuple(numbers)


def _side(text: str, item: str) -> float | None:
    if not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise DataError(
            f"--bounds holds {item!r}, and {text.strip()!r} is no number; expected NAME=LOW:HIGH, such as a=0:1"
        )
    return value
