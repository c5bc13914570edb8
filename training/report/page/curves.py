"""Draws the losses of a fit, the scores of data and samples, and the quantiles of each column side by side."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from . import svg
from .content import LossCurve
from .corner import bins

Array = npt.NDArray[np.float64]

WIDE: Final = (6.4, 3.4)
SCORE_QUANTILES: Final = (0.002, 1.0)
LEVELS: Final = np.linspace(0.005, 0.995, 100)
PANELS_PER_ROW: Final = 4
PANEL_INCHES: Final = 1.9


def losses(curve: LossCurve) -> Markup:
    """Training and validation loss during the fit, and the point whose weights were published."""
    with svg.drawing():
        made = svg.figure(*WIDE)
        axes = made.add_subplot()
        axes.plot(curve.progress, curve.train, color=svg.MUTED, linewidth=1.2, label="training rows")
        axes.plot(curve.progress, curve.validation, color=svg.DATA, linewidth=1.8, label="validation rows")
        end = f"ends at {curve.validation[-1]:.4g} nats per row; another model was published"
        if curve.kept is not None:
            kept = float(np.interp(curve.kept, curve.progress, curve.validation))
            axes.plot(curve.kept, kept, "o", color=svg.SAMPLES, label=f"published: {curve.unit} {curve.kept:g}")
            end = f"is {kept:.4g} nats per row at {curve.unit} {curve.kept:g}, which was published"
        if curve.floor is not None:
            axes.axhline(curve.floor, color=svg.INK, linestyle=":", label=f"entropy of the truth, {curve.floor:.4f}")
        axes.set_ylim(*_loss_range(curve))
        svg.name_axes(axes, x=curve.unit)
        axes.set_ylabel("loss, nats per row")
        axes.legend()
        return svg.inline(
            made,
            "losses",
            f"Loss of training and validation rows by {curve.unit}: the validation loss begins at "
            f"{curve.validation[0]:.4g} and {end}.",
        )


def _loss_range(curve: LossCurve) -> tuple[float, float]:
    # The first losses are far above the rest; the axis shows the range of the later ones.
    train, validation = (np.asarray(values, np.float64) for values in (curve.train, curve.validation))
    lowest = [float(values[np.isfinite(values)].min()) for values in (train, validation)]
    low = min(lowest if curve.floor is None else [*lowest, curve.floor])
    high = float(np.quantile(validation[np.isfinite(validation)], 0.9))
    margin = 0.1 * (high - low) + 1e-3
    return low - margin, high + 2 * margin


def scores(held_out: Array, samples: Array) -> Markup:
    """Histograms of log_prob [n] of held-out rows and of samples."""
    both = np.concatenate([held_out, samples])
    low, high = np.quantile(both, SCORE_QUANTILES)
    edges = np.linspace(low, high if high > low else low + 1.0, bins(len(held_out)) + 1)
    with svg.drawing():
        made = svg.figure(*WIDE)
        axes = made.add_subplot()
        for values, colour, style, name in (
            (held_out, svg.DATA, "-", "held-out rows"),
            (samples, svg.SAMPLES, "--", "samples"),
        ):
            heights = np.histogram(values, edges)[0] / (len(values) * np.diff(edges))
            axes.stairs(heights, edges, color=colour, linewidth=1.5, linestyle=style, label=name)
        axes.set_xlabel("log_prob, nats")
        axes.set_ylabel("density")
        axes.legend(loc="upper left")
        return svg.inline(
            made,
            "scores",
            f"Histogram of log_prob: the median is {np.median(held_out):.4g} nats for held-out rows and "
            f"{np.median(samples):.4g} nats for samples.",
        )


def quantile_plots(held_out: Array, samples: Array, names: Sequence[str]) -> Markup:
    """Quantiles of samples over quantiles of held-out rows, one panel a column; equal ones lie on the line."""
    across = min(PANELS_PER_ROW, len(names))
    down = -(-len(names) // across)
    with svg.drawing():
        made = svg.figure(PANEL_INCHES * across + 0.3, PANEL_INCHES * down + 0.3)
        grid = made.subplots(down, across, squeeze=False).ravel()
        for axes in grid[len(names) :]:
            axes.remove()
        for index, name in enumerate(names):
            axes = grid[index]
            x, y = (np.quantile(rows[:, index], LEVELS) for rows in (held_out, samples))
            ends = (x[0], x[-1])
            axes.plot(ends, ends, color=svg.MUTED, linewidth=1)
            axes.plot(x, y, "o", color=svg.SAMPLES, markersize=2)
            axes.set_title(svg.label(name), fontsize=9, pad=10)
            axes.locator_params(nbins=3)
            axes.tick_params(labelsize=7, length=2)
            axes.yaxis.get_offset_text().set_fontsize(6)
            # The offset of both axes is the same.
            axes.xaxis.get_offset_text().set_visible(False)
        made.supxlabel("quantiles of held-out rows", fontsize=9)
        made.supylabel("quantiles of samples", fontsize=9)
        return svg.inline(
            made,
            "quantiles",
            f"Quantiles of samples over quantiles of held-out rows for {len(names)} columns, with the line of equal "
            "quantiles. The table of columns below holds five of them in numbers.",
        )
