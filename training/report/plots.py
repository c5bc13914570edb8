"""Draws the plots of a fit: the loss, and for two columns the flow in both directions, as in the coursework."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..fitting.evaluation import Evaluation, best_evaluation

Rows = npt.NDArray[np.floating]

POINTS: Final = 4000
GREEN, RED, BLUE = "#2e8b57", "#d62728", "#1f5fb4"
DPI: Final = 110
SHOWN_SIGMA: Final = 4.5
# Columns whose spans differ by a smaller factor get the same scale, so that a circle looks round.
COMPARABLE: Final = 3.0


def loss(records: Sequence[Evaluation], floor: float | None, path: Path) -> None:
    """Training and validation loss over epochs; `floor` is the entropy of the truth, the lowest possible loss."""
    figure, axes = _canvas(6.4, 4.0)
    epochs = [record.epoch for record in records]
    axes.plot(epochs, [record.train_nll for record in records], color=BLUE, alpha=0.5, label="training (as it goes)")
    axes.plot(epochs, [record.validation_nll for record in records], color=RED, label="validation (averaged weights)")
    if floor is not None:
        axes.axhline(floor, color="black", linestyle=":", label=f"entropy of the truth, {floor:.4f}")
    best = best_evaluation(records)
    if best is not None:
        axes.plot(best.epoch, best.validation_nll, "o", color=RED, label=f"lowest: epoch {best.epoch:.4g}")
    # The first epochs are far above the rest; the axis shows the range of the later ones.
    values = [record.validation_nll for record in records if math.isfinite(record.validation_nll)] or [0.0]
    low = min([*values, *([] if floor is None else [floor])])
    axes.set_ylim(low - 0.05 * (np.median(values) - low + 0.1), np.quantile(values, 0.9) + 0.1)
    axes.set_xlabel("epoch")
    axes.set_ylabel("negative log-likelihood, nats per row")
    axes.legend(frameon=False)
    _save(figure, path)


def forward(normal: Rows, image: Rows, title: str, path: Path) -> None:
    """Green: rows of the base. Red: z = f(x) for rows x of the data. A good fit makes them look alike."""
    figure, axes = _canvas(5.0, 5.0)
    _dots(axes, normal, GREEN, "z from the base")
    _dots(axes, image, RED, "f(x), x from the data")
    _set_limits(axes, np.array([[-SHOWN_SIGMA, -SHOWN_SIGMA], [SHOWN_SIGMA, SHOWN_SIGMA]]), margin=0.0)
    _label(axes, f"{title}: forward, x to z", ("z0", "z1"))
    _save(figure, path)


def inverse(data: Rows, samples: Rows, title: str, names: Sequence[str], path: Path) -> None:
    """Blue: rows of the data. Red: samples x = f^-1(z). A good fit makes them look alike."""
    figure, axes = _canvas(5.0, 5.0)
    _dots(axes, data, BLUE, "data x")
    _dots(axes, samples, RED, "samples f^-1(z)")
    _set_limits(axes, data, margin=0.2)
    _label(axes, f"{title}: inverse, z to x", names)
    _save(figure, path)


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    # A figure without pyplot needs no global state and no display.
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _dots(axes: Axes, rows: Rows, colour: str, label: str) -> None:
    axes.scatter(rows[:POINTS, 0], rows[:POINTS, 1], color=colour, label=label, s=3, alpha=0.45, linewidths=0)


def _set_limits(axes: Axes, rows: Rows, margin: float) -> None:
    # The data alone determine the frame: one sample far away must not shrink the rest of the plot.
    low, high = rows.min(axis=0), rows.max(axis=0)
    span = high - low
    axes.set_xlim(low[0] - margin * span[0], high[0] + margin * span[0])
    axes.set_ylim(low[1] - margin * span[1], high[1] + margin * span[1])
    if span.max() < COMPARABLE * span.min():
        axes.set_aspect("equal")


def _label(axes: Axes, title: str, names: Sequence[str]) -> None:
    axes.set_title(title)
    axes.set_xlabel(names[0])
    axes.set_ylabel(names[1])
    axes.legend(frameon=False, markerscale=4, loc="upper right")


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})
