"""Formats numbers and tables for the Markdown pages: three digits, a fitting unit, `-` where nothing was measured."""

from collections.abc import Iterable, Sequence
from typing import Final

NOT_MEASURED: Final = "-"
NO_DECIMALS_FROM: Final = 100
UNITS_OF_TIME: Final = (("years", 365.25 * 86400), ("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0), ("s", 1.0))
LEAST_IN_UNIT: Final = 2.0  # a duration is shown in the largest unit that gives at least this number
TWO_DIGITS_FROM: Final = 10.0  # from here on two digits need no decimals


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table. Vertical bars inside cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def number(value: float | None) -> str:
    """Three significant digits, or all digits before the point; an int is exact.

    >>> [number(value) for value in (1.23456, 1234.5, 7, None)]
    ['1.23', '1,234', '7', '-']
    """
    if value is None:
        return NOT_MEASURED
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= NO_DECIMALS_FROM else f"{value:#.3g}".rstrip(".")


def estimate(value: float) -> str:
    """Two significant digits, for values that follow from assumptions; an int is exact.

    >>> [estimate(value) for value in (1234.5, 15.4e6, 1000)]
    ['1,200', '15 million', '1,000']
    """
    if isinstance(value, int):
        return f"{value:,}"
    for name, size in (("billion", 1e9), ("million", 1e6)):
        if value >= size:
            return f"{_two_digits(value / size)} {name}"
    return _two_digits(value)


def percent(share: float | None) -> str:
    """A share of one as whole percent."""
    return NOT_MEASURED if share is None else f"{100 * share:.0f} %"


def signed_percent(share: float) -> str:
    """A relative difference in percent, with its sign."""
    return f"{100 * share:+.1f} %"


def times(ratio: float | None) -> str:
    """A ratio, for example `2.50 x`."""
    return NOT_MEASURED if ratio is None else f"{number(ratio)} x"


def dollars(amount: float) -> str:
    """An amount with two significant digits."""
    return f"${_two_digits(amount)}"


def duration(seconds: float) -> str:
    """Two digits in the largest unit that gives at least two of it.

    >>> duration(5640.0)
    '94 minutes'
    """
    name, size = next(
        ((name, size) for name, size in UNITS_OF_TIME if seconds >= LEAST_IN_UNIT * size), UNITS_OF_TIME[-1]
    )
    return f"{_two_digits(seconds / size)} {name}"


def _two_digits(value: float) -> str:
    return f"{float(f'{value:.2g}'):,.0f}" if value >= TWO_DIGITS_FROM else f"{value:#.2g}".rstrip(".")
