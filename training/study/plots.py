"""Plots of the report, drawn from results.csv and curves.csv. Each PNG stores the digest of its results."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .claims.topology import CHANGES
from .claims.variants import plain
from .curves import Curves
from .results import Results, Spread, Value

DPI: Final = 110
BLUE, RED, GREEN, GREY = "#1f5fb4", "#d62728", "#2e8b57", "#777777"
STYLES: Final = ("-", "--")
COLOURS: Final = (BLUE, RED, GREEN, "#b8860b")
# Metadata of every PNG: the digest of the results that it was drawn from.
RESULTS_KEY: Final = "Results-sha256"


def layers(results: Results, results_digest: str, path: Path) -> None:
    """KL by coupling layers: one panel per data set, one line per size, bars from the lowest to the highest seed."""
    grid = results.where(experiment="grid")
    figure = _figure(9.0, 3.6)
    panels = figure.subplots(1, len(grid.distinct("data")), sharey=True, squeeze=False)[0]
    counts = grid.distinct("layers")
    for axes, data in zip(panels, grid.distinct("data"), strict=True):
        sizes = [(hidden, epochs) for hidden in grid.distinct("hidden") for epochs in grid.distinct("epochs")]
        for index, (hidden, epochs) in enumerate(sizes):
            chosen = grid.where(data=data, hidden=hidden, epochs=epochs)
            spreads = [chosen.where(layers=count).spread("kl") for count in counts]
            style = COLOURS[index // 2 % len(COLOURS)], STYLES[index % 2]
            # The lines are shifted sideways, so that their bars do not overlap.
            x = [_float(count) + 0.08 * (index - (len(sizes) - 1) / 2) for count in counts]
            _bars(axes, x, spreads, style, f"{hidden} units, {epochs} epochs")
        axes.set_title(str(data))
        axes.set_xlabel("coupling layers")
        axes.set_xticks([_float(count) for count in counts])
        axes.set_yscale("log")
    panels[0].set_ylabel("KL(truth || model), nats")
    panels[-1].legend(frameon=False, fontsize=8)
    _save(figure, path, results_digest)


def determinant(results: Results, results_digest: str, path: Path) -> None:
    """Loss minus that of A = I, by the fixed value of det A; horizontal lines for A = I and A learned."""
    fitted = results.where(experiment="triangular")
    figure = _figure(9.0, 3.6)
    panels = figure.subplots(1, len(fitted.distinct("data")), squeeze=False)[0]
    for axes, data in zip(panels, fitted.distinct("data"), strict=True):
        chosen = fitted.where(data=data)
        identity = chosen.where(block=0).spread("nll").mean
        fixed = [_float(det) for det in chosen.distinct("det")]
        spreads = [chosen.where(det=det).spread("nll").plus(-identity) for det in fixed]
        _bars(axes, fixed, spreads, (BLUE, "-"), "det A fixed")
        learned = chosen.where(det=None)
        for colour, block in zip((GREY, GREEN, RED), learned.distinct("block"), strict=False):
            label = f"A learned, blocks of {block}" if block else "A = I"
            spread = learned.where(block=block).spread("nll").plus(-identity)
            axes.axhline(spread.mean, color=colour, linewidth=1.2, label=label)
            axes.axhspan(spread.low, spread.high, color=colour, alpha=0.12, linewidth=0)
        axes.set_xscale("log")
        axes.set_title(str(data))
        axes.set_xlabel("det A of each layer")
    panels[0].set_ylabel("test loss minus that of A = I, nats")
    panels[0].legend(frameon=False, fontsize=8)
    _save(figure, path, results_digest)


def topology(results: Results, results_digest: str, path: Path) -> None:
    """KL of every target that claim 2 compares; closed rings in red."""
    trials = results.where(experiment="topology")
    budget = {key: trials.distinct(key)[0] for key in ("layers", "hidden", "epochs")}
    same = Results([*trials, *results.where(experiment="grid", **budget)])
    names = [target for target, _ in CHANGES][::-1]
    figure = _figure(7.2, 4.2)
    axes = figure.add_subplot()
    _clean(axes)
    for index, target in enumerate(names):
        spread = same.where(data=target).spread("kl")
        colour = RED if "circle" in target and "half" not in target and "opened" not in target else BLUE
        axes.plot([spread.low, spread.high], [index, index], color=colour, linewidth=2, alpha=0.6)
        axes.plot(spread.mean, index, "o", color=colour)
    axes.set_yticks(range(len(names)), names)
    axes.set_xscale("log")
    axes.set_xlabel("KL(truth || model), nats; red: closed rings")
    _save(figure, path, results_digest)


def condition(results: Results, results_digest: str, path: Path) -> None:
    """Float32 round trip of designed matrices by condition number, one line per determinant."""
    designed = results.where(experiment="designed")
    figure = _figure(6.4, 4.0)
    axes = figure.add_subplot()
    _clean(axes)
    for index, det in enumerate(designed.distinct("det")):
        rows = sorted(designed.where(det=det), key=lambda row: row.metrics["condition"])
        x, y = ([row.metrics[key] for row in rows] for key in ("condition", "round_trip"))
        axes.plot(x, y, "o-", color=(*COLOURS, GREY)[index % 5], alpha=0.8, markersize=4, label=f"det A = {plain(det)}")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("condition number of A")
    axes.set_ylabel("float32 round trip, standard deviations")
    axes.legend(frameon=False, fontsize=8)
    _save(figure, path, results_digest)


def curves(results: Results, records: Curves, results_digest: str, path: Path) -> None:
    """Validation loss minus the entropy by epoch: one row per data set, one column per size, one colour per depth."""
    grid, laws = results.where(experiment="grid"), results.where(experiment="laws")
    sizes = [(hidden, epochs) for hidden in grid.distinct("hidden") for epochs in grid.distinct("epochs")]
    figure = _figure(10.0, 5.0)
    panels = figure.subplots(len(grid.distinct("data")), len(sizes), sharey=True, squeeze=False)
    for row, data in zip(panels, grid.distinct("data"), strict=True):
        entropy = laws.where(data=data).spread("entropy").mean
        for axes, (hidden, epochs) in zip(row, sizes, strict=True):
            for colour, count in zip(COLOURS, grid.distinct("layers"), strict=False):
                for trial in grid.where(data=data, hidden=hidden, epochs=epochs, layers=count):
                    losses = [record.validation_nll - entropy for record in records[str(trial.settings["id"])]]
                    label = f"layers: {count}" if trial.settings["seed"] == 0 else None
                    axes.plot(range(1, len(losses) + 1), losses, color=colour, linewidth=1, label=label)
            axes.set_yscale("log")
            axes.set_title(f"{data}, {hidden}/{epochs}", fontsize=9)
            _clean(axes)
        row[0].set_ylabel("validation loss - entropy, nats", fontsize=8)
    for axes in panels[-1]:
        axes.set_xlabel("epoch")
    panels[0][-1].legend(frameon=False, fontsize=8)
    _save(figure, path, results_digest)


def digest(text: str) -> str:
    """sha256 of the content of a results file."""
    return hashlib.sha256(text.encode()).hexdigest()


def _bars(axes: Axes, x: Sequence[float], spreads: Sequence[Spread], style: tuple[str, str], label: str) -> None:
    colour, line = style
    means = np.array([spread.mean for spread in spreads])
    errors = [means - [spread.low for spread in spreads], np.array([spread.high for spread in spreads]) - means]
    axes.errorbar(x, means, yerr=errors, color=colour, linestyle=line, marker="o", markersize=4, capsize=2, label=label)
    _clean(axes)


def _figure(width: float, height: float) -> Figure:
    # pyplot would keep global state and may need a display.
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _clean(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)


def _float(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _save(figure: Figure, path: Path, results_digest: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None, RESULTS_KEY: results_digest})
