"""The plots of the comparison: loss by the number of rows, and loss by the clock."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

from benchmarks.quality.outcome import Outcome
from benchmarks.quality.page import is_part
from benchmarks.quality.tables import REAL


def draw(outcomes: Sequence[Outcome], folder: Path) -> None:
    """Write quality-rows.png and quality-clock.png, each if it was measured."""
    mpl.use("Agg")
    if any(is_part(o.case.table) for o in outcomes):
        _rows(outcomes, folder / "quality-rows.png")
    if len({o.case.seconds for o in outcomes if o.case.table in REAL}) > 1:
        _clock(outcomes, folder / "quality-clock.png")


def _rows(outcomes: Sequence[Outcome], file: Path) -> None:
    parts = [o for o in outcomes if is_part(o.case.table)]
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for model in dict.fromkeys(o.case.model for o in parts):
        points = sorted((int(o.case.table.rpartition(" ")[2]), o.loss) for o in parts if o.case.model == model)
        axes.plot(*zip(*points, strict=True), marker="o", label=model)
    axes.set(xscale="log", xlabel="rows of protein", ylabel="held-out loss, nats a row")
    axes.set_title("Loss by the number of rows, 90 s")
    axes.legend(frameon=False)
    figure.savefig(file, dpi=120)
    plt.close(figure)


def _clock(outcomes: Sequence[Outcome], file: Path) -> None:
    figure, grid = plt.subplots(1, len(REAL), figsize=(3 * len(REAL), 3.2), layout="constrained")
    for axes, name in zip(grid, REAL, strict=True):
        for model in dict.fromkeys(o.case.model for o in outcomes):
            points = sorted(
                (o.case.seconds, o.loss)
                for o in outcomes
                if (o.case.table, o.case.model, o.case.seed) == (name, model, 0)
            )
            if len(points) > 1:
                axes.plot(*zip(*points, strict=True), marker="o", label=model)
        axes.set(xscale="log", xlabel="seconds", title=name)
    grid[0].set_ylabel("held-out loss, nats a row")
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(file, dpi=120)
    plt.close(figure)
