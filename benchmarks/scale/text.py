"""Figures as a page shows them: three digits, a unit that fits, tables in Markdown."""

from collections.abc import Iterable, Sequence
from typing import Final

PRECISE: Final = 100  # from here on a figure has no decimals
SPANS: Final = (("years", 365.25 * 86400), ("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0), ("s", 1.0))
TWO: Final = 2.0  # a span is told in the largest unit of which it has two


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def number(figure: float) -> str:
    """Three digits, or all of those before the point."""
    return f"{figure:,.0f}" if abs(figure) >= PRECISE else f"{figure:#.3g}".rstrip(".")


def round_number(figure: float) -> str:
    """Two digits of what follows from assumptions; a whole number as it is."""
    if isinstance(figure, int):
        return f"{figure:,}"
    for name, size in (("billion", 1e9), ("million", 1e6)):
        if figure >= size:
            return f"{_two(figure / size)} {name}"
    return _two(figure)


def percent(share: float) -> str:
    """Of one."""
    return f"{100 * share:.0f} %"


def signed(share: float) -> str:
    """A relative difference."""
    return f"{100 * share:+.1f} %"


def dollars(amount: float) -> str:
    """Two digits."""
    return f"${_two(amount)}"


def span(seconds: float) -> str:
    """Two digits of the largest unit of which there are two."""
    name, size = next(((name, size) for name, size in SPANS if seconds >= TWO * size), SPANS[-1])
    return f"{_two(seconds / size)} {name}"


def _two(figure: float) -> str:
    return f"{float(f'{figure:.2g}'):,.0f}" if figure >= TWO * 5 else f"{figure:#.2g}".rstrip(".")
