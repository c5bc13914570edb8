"""Draws figures as SVG inside a page: the text stays text, and its colours follow the page in light and dark."""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Stand-ins that the SVG holds where the page's own colours go.
INK, MUTED, DATA, SAMPLES = "#0a0b0c", "#0a0b0d", "#0a0b0e", "#0a0b0f"
VARIABLES: Final = {INK: "var(--ink)", MUTED: "var(--muted)", DATA: "var(--data)", SAMPLES: "var(--samples)"}
# Points are pixels and cannot follow the page: these two are visible on white and on black.
DATA_POINT, SAMPLE_POINT = "#2f7fd0", "#d9691e"
DPI: Final = 144
LONGEST_LABEL: Final = 14
SETTINGS: Final[dict[Any, Any]] = {  # matplotlib types the names of its settings, and no value
    "svg.fonttype": "none",
    "svg.hashsalt": "diffeo",
    "font.size": 9,
    # A dollar sign in a column name is text.
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "axes.formatter.limits": (-3, 4),
    "figure.facecolor": "none",
    "legend.frameon": False,
    # A minus sign of its own would be missing in some fonts.
    "axes.unicode_minus": False,
}


@contextmanager
def drawing() -> Iterator[None]:
    """The style of the page, for everything that is drawn inside; other figures of the process keep their own."""
    with mpl.rc_context(SETTINGS), warnings.catch_warnings():
        # The browser draws the text and has more glyphs than matplotlib's font.
        warnings.filterwarnings("ignore", message="Glyph")
        # Labels that do not fit are cut by the page, not by the layout.
        warnings.filterwarnings("ignore", message="constrained_layout")
        yield


def figure(width: float, height: float) -> Figure:
    """A figure of this size in inches; without pyplot it needs no global state and no display."""
    made = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(made)
    return made


def label(axis_name: str) -> str:
    """A column name short enough for an axis.

    >>> label("a" * 40)
    'aaaaaaaaaaaaa…'
    """
    return axis_name if len(axis_name) <= LONGEST_LABEL else f"{axis_name[: LONGEST_LABEL - 1]}…"


def name_axes(axes: Axes, x: str | None = None, y: str | None = None) -> None:
    """Label the axes with names of columns."""
    if x is not None:
        axes.set_xlabel(label(x))
    if y is not None:
        axes.set_ylabel(label(y))


def inline(made: Figure, name: str, description: str) -> Markup:
    """The figure as an <svg> element of a page.

    Args:
        made: the figure.
        name: prefix of the ids inside, so that two figures of one page share none.
        description: alternative text for readers who do not see the figure.
    """
    buffer = io.StringIO()
    made.savefig(
        buffer,
        format="svg",
        dpi=DPI,
        transparent=True,
        metadata={"Creator": None, "Date": None, "Format": None, "Type": None},
    )
    text = buffer.getvalue()
    box = re.search(r'viewBox="([^"]*)"', text)
    body = re.sub(r"<style[^>]*>.*?</style>", "", text[text.index(">", text.index("<svg")) + 1 :], flags=re.DOTALL)
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = body.replace('xlink:href="#', f'href="#{name}-').replace("url(#", f"url(#{name}-")
    body = body.replace("xlink:href=", "href=")
    for colour, variable in VARIABLES.items():
        body = body.replace(colour, variable)
    frame = box.group(1) if box is not None else "0 0 1 1"
    width = made.get_figwidth()
    opening = f'<svg viewBox="{frame}" role="img" aria-label="{escape(description)}" style="max-width: {width:g}in">'
    return Markup(opening + body)  # noqa: S704  (matplotlib escapes the names of columns, and `escape` the description)
