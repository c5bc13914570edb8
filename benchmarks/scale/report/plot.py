"""Plots throughput, routing, batching and overload of a simulated fleet: docs/scaling.png."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.markdown import percent
from benchmarks.scale.costs.costs import Costs
from benchmarks.scale.costs.request_mix import MIX
from benchmarks.scale.formulas import formulas
from benchmarks.scale.report.simulation_page import expected_goodput, expected_rate, saturation, series
from benchmarks.scale.studies.studies import LOAD, Point

SIZE: Final = (12.0, 9.0)
COLOURS: Final = ("#0b6e4f", "#c8553d", "#3d5a98", "#b08900", "#7b4b94", "#3f8f9b")
ONE_ROW, LARGE, FILES, GREY = "#0b6e4f", "#c8553d", "#222222", "#8a8f98"
LINE_POINTS: Final = 400  # points of a formula's line
LABEL_SPACE: Final = 12.0  # factor by which the axis extends to the right of the last dot, for its label
LABEL_SIZE: Final = 8  # typographic points
POINTS_PER_INCH: Final = 72

Label = tuple[str, tuple[float, float], str]  # text, end of its line, colour


def draw(costs: Costs, points: Sequence[Point], bulk: Sequence[tuple[int, float]], path: Path) -> None:
    """Write the PNG file."""
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    figure = Figure(figsize=SIZE, layout="constrained")
    (fleet, routing), (batches, overload) = figure.subplots(2, 2)
    _fleet(fleet, costs, points, bulk)
    _routing(routing, costs, points)
    _batches(batches, costs, points)
    _overload(overload, costs, points)
    figure.savefig(path, dpi=130)


def _fleet(axes: Axes, costs: Costs, points: Sequence[Point], bulk: Sequence[tuple[int, float]]) -> None:
    labels: list[Label] = []
    for name, line in _study(points, "throughput"):
        colour = ONE_ROW if line[0].rows == 1 else LARGE
        _formula_line(axes, line, lambda point: expected_rate(costs, point) * point.rows, colour)
        rates = [point.requests_per_second * point.rows for point in line]
        axes.plot([point.at for point in line], rates, "o", color=colour)
        labels.append((name, (line[-1].at, rates[-1]), colour))
    link, row_seconds = costs.storage.machine_bytes_per_second, costs.row_seconds["flow64"]
    cores = np.geomspace(bulk[0][0], bulk[-1][0], LINE_POINTS)
    expected = [formulas.bulk_rate(costs.bulk, row_seconds, core, link) for core in cores]
    axes.plot(cores, expected, color=FILES, linewidth=1)
    axes.plot(*zip(*bulk, strict=True), "s", color=FILES)
    labels.append(("files, one link of 10 Gbit/s", (bulk[-1][0], bulk[-1][1]), FILES))
    axes.set(xscale="log", yscale="log", xlabel="replicas, one core each", ylabel="rows/s")
    _replica_axis(axes)
    _draw_labels(axes, labels)
    axes.set_title("Throughput of a fleet (dots: simulated, lines: formulas)", loc="left")


def _routing(axes: Axes, costs: Costs, points: Sequence[Point]) -> None:
    labels: list[Label] = []
    for colour, (name, line) in zip(COLOURS, _study(points, "policies"), strict=False):
        latencies = [1e3 * point.p99 for point in line]
        axes.plot([point.at for point in line], latencies, "o-", color=colour, linewidth=1)
        labels.append((name, (line[-1].at, latencies[-1]), colour))
    idle = 1e3 * formulas.idle_latency(costs.replica(), max(MIX))
    axes.axhline(idle, color=GREY, linewidth=1, linestyle=":")
    axes.annotate(f"{max(MIX):,} rows at an idle replica", (1, idle), (0, -11), textcoords="offset points", color=GREY)
    axes.set(xscale="log", xlabel="replicas", ylabel="p99, ms", ylim=(0, None))
    _replica_axis(axes)
    _draw_labels(axes, labels)
    axes.set_title(f"Routing the mix, load {percent(LOAD)} of saturation (simulated)", loc="left")


def _batches(axes: Axes, costs: Costs, points: Sequence[Point]) -> None:
    replica, mix = costs.replica(), {1: 1.0}
    means = (formulas.batched_latency, formulas.unbatched_latency)
    for colour, formula, (name, line) in zip(COLOURS, means, _study(points, "batching"), strict=False):
        at = [point.at for point in line]
        rates = np.linspace(at[0], at[-1], LINE_POINTS)
        axes.plot(rates, [1e3 * formula(replica, mix, rate) for rate in rates], color=colour, linewidth=1)
        axes.plot(at, [1e3 * point.mean for point in line], "o", color=colour, label=f"{name}, mean")
        axes.plot(at, [1e3 * point.p99 for point in line], "^", color=colour, label=f"{name}, p99")
    axes.set(yscale="log", xlabel="requests/s of one row at one replica", ylabel="latency, ms")
    axes.xaxis.set_major_formatter(lambda rate, _: f"{rate:,.0f}")
    axes.yaxis.set_major_formatter(lambda latency, _: f"{latency:g}")
    axes.set_title("The gain from batching (dots: simulated, lines: formulas)", loc="left")
    axes.legend(frameon=False)


def _overload(axes: Axes, costs: Costs, points: Sequence[Point]) -> None:
    for colour, (name, line) in zip(COLOURS, _study(points, "overload"), strict=False):
        _formula_line(axes, line, lambda point: expected_goodput(costs, point), colour)
        shares = [point.requests_per_second / saturation(costs, point) for point in line]
        axes.plot([point.at for point in line], shares, "o", color=colour, label=name)
    axes.set(xlabel="sent rate / saturation", ylabel="answered rate / saturation", ylim=(0, 1.1))
    axes.set_title("Overload (dots: simulated, lines: formulas)", loc="left")
    axes.legend(frameon=False, loc="center right")


def _study(points: Iterable[Point], study: str) -> Iterable[tuple[str, list[Point]]]:
    return series(point for point in points if point.study == study)


def _formula_line(axes: Axes, line: Sequence[Point], formula: Callable[[Point], float], colour: str) -> None:
    positions = np.geomspace(line[0].at, line[-1].at, LINE_POINTS).tolist()
    axes.plot(positions, [formula(replace(line[0], at=at)) for at in positions], color=colour, linewidth=1)


def _draw_labels(axes: Axes, labels: Sequence[Label]) -> None:
    """Draws each label beside the end of its line and moves labels up that would overlap."""
    pixels = axes.figure.dpi / POINTS_PER_INCH
    lowest_free = -np.inf
    for name, at, colour in sorted(labels, key=lambda label: label[1][1]):
        height = axes.transData.transform(at)[1] / pixels
        lowest_free = max(lowest_free, height)
        axes.annotate(
            name,
            at,
            (7, lowest_free - height),
            textcoords="offset points",
            va="center",
            color=colour,
            fontsize=LABEL_SIZE,
        )
        lowest_free += LABEL_SIZE + 2


def _replica_axis(axes: Axes) -> None:
    left, right = axes.get_xlim()
    axes.set_xlim(left, right * LABEL_SPACE)
    axes.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1,000"])
    axes.minorticks_off()
