"""Draws a contact sheet: the coursework's two plots for every setting of the grid, one sheet per data set."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from diffeo.bundle import base

from ..report.plots import BLUE, GREEN, RED, SHOWN_SIGMA
from .plots import RESULTS_KEY
from .results import Results, Row

Points = Mapping[str, npt.NDArray[np.float32]]

DOTS: Final = 1500
PLANE: Final = 2


def draw(grid: Results, points: Callable[[Row], Points], results_digest: str, path: Path) -> None:
    """Rows are sizes, columns are layers. Each cell has forward (green z, red f(x)) and inverse (blue x, red samples).

    Args:
        grid: the rows of one data set and one seed.
        points: returns data, z and samples of a row.
        results_digest: digest of the results, stored in the PNG.
        path: the PNG file.
    """
    sizes = [(hidden, epochs) for hidden in grid.distinct("hidden") for epochs in grid.distinct("epochs")]
    layers = grid.distinct("layers")
    figure = Figure(figsize=(2 * 1.75 * len(layers), 1.95 * len(sizes)), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(sizes), 2 * len(layers), squeeze=False)
    normal = base.draw(0, 0, DOTS, PLANE)
    for panel_row, (hidden, epochs) in zip(panels, sizes, strict=True):
        for index, count in enumerate(layers):
            (row,) = grid.where(hidden=hidden, epochs=epochs, layers=count)
            shown = points(row)
            forward, inverse = panel_row[2 * index], panel_row[2 * index + 1]
            _pair(forward, normal, shown["z"], GREEN)
            _frame(forward, np.array([[-SHOWN_SIGMA] * PLANE, [SHOWN_SIGMA] * PLANE]))
            _pair(inverse, shown["data"], shown["samples"], BLUE)
            _frame(inverse, shown["data"])
            plural = "layer" if count == 1 else "layers"
            forward.set_title(f"{count} {plural}, {hidden}/{epochs}", fontsize=8, loc="left")
            inverse.set_title(f"KL {row.metrics['kl']:.3f}", fontsize=8, loc="left")
    data, seed = grid.distinct("data")[0], grid.distinct("seed")[0]
    legend = "left green z ~ N(0, I), red f(x); right blue x, red samples"
    figure.suptitle(f"{data}, units/epochs, seed {seed}: {legend}", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None, RESULTS_KEY: results_digest})


def _pair(axes: Axes, below: npt.NDArray[np.floating], above: npt.NDArray[np.floating], colour: str) -> None:
    axes.scatter(below[:DOTS, 0], below[:DOTS, 1], color=colour, s=1.2, alpha=0.5, linewidths=0)
    axes.scatter(above[:DOTS, 0], above[:DOTS, 1], color=RED, s=1.2, alpha=0.5, linewidths=0)
    axes.set_xticks([])
    axes.set_yticks([])


def _frame(axes: Axes, rows: npt.NDArray[np.floating]) -> None:
    low, high = rows.min(axis=0), rows.max(axis=0)
    margin = 0.1 * (high - low)
    axes.set_xlim(low[0] - margin[0], high[0] + margin[0])
    axes.set_ylim(low[1] - margin[1], high[1] + margin[1])
