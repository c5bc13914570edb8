"""Draws the corner plot: every pair of columns as points, every column as a histogram, data beside samples."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from matplotlib.axes import Axes

from . import svg

Array = npt.NDArray[np.float64]

POINTS: Final = 1_500
MOST_VALUES: Final = 40
# The frame shows this share of the data on each side, and a margin: one far row must not shrink the rest.
FRAME_QUANTILES: Final = (0.002, 0.998)
MARGIN: Final = 0.08
# A panel is about as large as a panel of eight columns, and larger where there are few.
PAGE_INCHES, LEAST_INCHES, MOST_INCHES = 8.0, 1.25, 2.4
INCHES_BESIDE: Final = 0.6


def corner(held_out: Array, samples: Array, names: Sequence[str]) -> Markup:
    """The corner plot of held-out rows [m, D] and samples [k, D] with D column names."""
    count = len(names)
    size = count * float(np.clip(PAGE_INCHES / count, LEAST_INCHES, MOST_INCHES)) + INCHES_BESIDE
    with svg.drawing():
        made = svg.figure(size, size)
        grid = made.subplots(count, count, squeeze=False)
        frames = [frame(held_out[:, index]) for index in range(count)]
        for row in range(count):
            for column in range(count):
                axes = grid[row, column]
                if column > row:
                    axes.remove()
                    continue
                if column == row:
                    _histogram(axes, held_out[:, row], samples[:, row], frames[row])
                else:
                    _points(axes, held_out[:, [column, row]], samples[:, [column, row]])
                    axes.set_ylim(frames[row])
                axes.set_xlim(frames[column])
                _label(axes, names, row, column)
        made.align_labels()
        return svg.inline(
            made,
            "corner",
            f"Corner plot of {count} columns: histograms on the diagonal and points below it, held-out rows beside "
            "samples. The table of columns below holds the same comparison in numbers.",
        )


def frame(values: Array) -> tuple[float, float]:
    """The range of an axis for these numbers [n].

    >>> frame(np.zeros(3))
    (-0.5, 0.5)
    """
    low, high = (float(value) for value in np.quantile(values, FRAME_QUANTILES))
    # Numbers that are all equal have no range of their own.
    span = high - low if high > low else max(1.0, abs(low)) / (2 * MARGIN)
    margin = MARGIN * span
    return low - margin, high + margin


def histogram_edges(data: Array, limits: tuple[float, float]) -> Array:
    """Edges of the bins: between the values where there are few, evenly spaced otherwise."""
    values = np.unique(data)
    if 1 < len(values) <= MOST_VALUES:
        middles = (values[1:] + values[:-1]) / 2
        return np.concatenate([[2 * values[0] - middles[0]], middles, [2 * values[-1] - middles[-1]]])
    return np.linspace(*limits, bins(len(data)) + 1)


def bins(rows: int) -> int:
    """Bins of a histogram of this many rows: twice the cube root, from 10 to 60.

    >>> bins(100), bins(8_000), bins(1_000_000)
    (10, 40, 60)
    """
    return int(np.clip(np.rint(2 * np.cbrt(rows)), 10, 60))


def _histogram(axes: Axes, data: Array, samples: Array, limits: tuple[float, float]) -> None:
    edges = histogram_edges(data, limits)
    for values, colour, style in ((data, svg.DATA, "-"), (samples, svg.SAMPLES, "--")):
        # Divided by all rows, so that samples outside of the frame lower the curve inside.
        heights = np.histogram(values, edges)[0] / (len(values) * np.diff(edges))
        axes.stairs(heights, edges, color=colour, linewidth=1.3, linestyle=style)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _points(axes: Axes, data: Array, samples: Array) -> None:
    shown = [rows[:POINTS] for rows in (data, samples)]
    points = np.concatenate(shown)
    colours = np.repeat([svg.DATA_POINT, svg.SAMPLE_POINT], [len(rows) for rows in shown])
    # Mixed: otherwise the kind that is drawn last hides the other.
    order = np.argsort(np.random.Philox(key=0).random_raw(len(points)))
    x, y = points[order].T
    axes.scatter(x, y, color=colours[order], s=4, alpha=0.6, linewidths=0, rasterized=True)


def _label(axes: Axes, names: Sequence[str], row: int, column: int) -> None:
    last = row == len(names) - 1
    axes.locator_params(nbins=3)
    axes.tick_params(labelsize=7, length=2)
    for axis in (axes.xaxis, axes.yaxis):
        axis.get_offset_text().set_fontsize(6)
        # Room for an offset such as +1.7e9 between the numbers and the name.
        axis.labelpad = 7
    if last:
        svg.name_axes(axes, x=names[column])
    else:
        axes.set_xticklabels([])
    if column == 0 and row > 0:
        svg.name_axes(axes, y=names[row])
    elif column != row:
        axes.set_yticklabels([])
