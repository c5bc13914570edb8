"""Words that the sentences share: lists of names, numbers, shares, p-values and options."""

import math
import shlex
from collections.abc import Sequence
from typing import Final

# Columns or pairs that a sentence names; the tables of the report hold the others.
MOST_NAMED: Final = 4
SMALLEST_P: Final = 1e-4
TWO_DIGITS: Final = 9.95
LONGER_FIT: Final = "a longer fit (--budget 10m)"


def listed(items: Sequence[str]) -> str:
    """The first items, and how many more there are.

    >>> listed(["a", "b"]), listed(list("abcdef"))
    ('a, b', 'a, b, c, d and 2 more')
    """
    shown = ", ".join(items[:MOST_NAMED])
    return shown if len(items) <= MOST_NAMED else f"{shown} and {len(items) - MOST_NAMED} more"


def percent(share: float) -> str:
    """A share in percent.

    >>> percent(0.0712), percent(0.00004), percent(0.0)
    ('7.1 %', '0.004 %', '0 %')
    """
    value = 100 * share
    return f"{value:.0f} %" if value >= TWO_DIGITS else f"{value:.2g} %"


def p_value(value: float) -> str:
    """A p-value; very small ones have no digits that mean anything.

    >>> p_value(0.0312), p_value(1e-30)
    ('p = 0.031', 'p < 0.0001')
    """
    return f"p = {value:.2g}" if value >= SMALLEST_P else f"p < {SMALLEST_P:.4f}"


def counted(count: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "column"), counted(2500, "row")
    ('1 column', '2,500 rows')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def option(flag: str, values: Sequence[str]) -> str:
    """A flag of `diffeo fit` with its values, as a shell reads it.

    >>> option("--integers", ["a", "b c"])
    "--integers 'a,b c'"
    """
    return f"{flag} {shlex.quote(','.join(values))}"


def bound(value: float, span: float, *, is_low: bool) -> str:
    """A short number at or below the smallest value, or at or above the largest one.

    >>> bound(0.00031, 0.9995, is_low=True), bound(0.99981, 0.9995, is_low=False)
    ('0', '1')
    """
    if span <= 0:
        return f"{value:.12g}"
    step = 10.0 ** (math.floor(math.log10(span)) - 1)
    steps = math.floor(value / step) if is_low else math.ceil(value / step)
    # 12 digits hide that a step has no exact binary form.
    return f"{steps * step + 0.0:.12g}"
