"""The picture: what a fleet gives, how it is routed to, what batches are worth, what overload does."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.scale import formulas
from benchmarks.scale.costs import Costs
from benchmarks.scale.simulated import expected_goodput, expected_rate, lines, saturated
from benchmarks.scale.studies import LOAD, Point
from benchmarks.scale.text import percent
from benchmarks.scale.traffic import MIX

SIZE: Final = (12.0, 9.0)
COLOURS: Final = ("#0b6e4f", "#c8553d", "#3d5a98", "#b08900", "#7b4b94", "#3f8f9b")
SINGLE, LARGE, FILES, QUIET = "#0b6e4f", "#c8553d", "#222222", "#8a8f98"
FINE: Final = 400  # points of a formula's line
LABELS: Final = 12.0  # times as far to the right as the last dot: room for its name
LETTERS: Final = 8  # points; of an inch there are 72
POINTS: Final = 72

End = tuple[str, tuple[float, float], str]  # a line's name, where it ends, its colour


def draw(costs: Costs, points: Sequence[Point], bulk: Sequence[tuple[int, float]], path: Path) -> None:
    """Write the file."""
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    figure = Figure(figsize=SIZE, layout="constrained")
    (fleet, routing), (batches, overload) = figure.subplots(2, 2)
    _fleet(fleet, costs, points, bulk)
    _routing(routing, costs, points)
    _batches(batches, costs, points)
    _overload(overload, costs, points)
    figure.savefig(path, dpi=130)


def _fleet(axes: Axes, costs: Costs, points: Sequence[Point], bulk: Sequence[tuple[int, float]]) -> None:
    ends: list[End] = []
    for name, line in _study(points, "throughput"):
        colour = SINGLE if line[0].rows == 1 else LARGE
        _through(axes, line, lambda point: expected_rate(costs, point) * point.rows, colour)
        rates = [point.requests_per_second * point.rows for point in line]
        axes.plot([point.at for point in line], rates, "o", color=colour)
        ends.append((name, (line[-1].at, rates[-1]), colour))
    wire, row_seconds = costs.storage.machine_bytes_per_second, costs.row_seconds["flow64"]
    cores = np.geomspace(bulk[0][0], bulk[-1][0], FINE)
    expected = [formulas.bulk_rate(costs.bulk, row_seconds, core, wire) for core in cores]
    axes.plot(cores, expected, color=FILES, linewidth=1)
    axes.plot(*zip(*bulk, strict=True), "s", color=FILES)
    ends.append(("files, one wire of 10 Gbit/s", (bulk[-1][0], bulk[-1][1]), FILES))
    axes.set(xscale="log", yscale="log", xlabel="replicas, one core each", ylabel="rows/s")
    _replicas(axes)
    _names(axes, ends)
    axes.set_title("What a fleet gives (dots: simulated, lines: formulas)", loc="left")


def _routing(axes: Axes, costs: Costs, points: Sequence[Point]) -> None:
    ends: list[End] = []
    for colour, (name, line) in zip(COLOURS, _study(points, "policies"), strict=False):
        delays = [1e3 * point.p99 for point in line]
        axes.plot([point.at for point in line], delays, "o-", color=colour, linewidth=1)
        ends.append((name, (line[-1].at, delays[-1]), colour))
    idle = 1e3 * formulas.idle_latency(costs.replica(), max(MIX))
    axes.axhline(idle, color=QUIET, linewidth=1, linestyle=":")
    axes.annotate(f"{max(MIX):,} rows at an idle replica", (1, idle), (0, -11), textcoords="offset points", color=QUIET)
    axes.set(xscale="log", xlabel="replicas", ylabel="p99, ms", ylim=(0, None))
    _replicas(axes)
    _names(axes, ends)
    axes.set_title(f"Routing the mix, load {percent(LOAD)} of saturation (simulated)", loc="left")


def _batches(axes: Axes, costs: Costs, points: Sequence[Point]) -> None:
    replica, alone = costs.replica(), {1: 1.0}
    means = (formulas.batched_latency, formulas.unbatched_latency)
    for colour, formula, (name, line) in zip(COLOURS, means, _study(points, "batching"), strict=False):
        at = [point.at for point in line]
        rates = np.linspace(at[0], at[-1], FINE)
        axes.plot(rates, [1e3 * formula(replica, alone, rate) for rate in rates], color=colour, linewidth=1)
        axes.plot(at, [1e3 * point.mean for point in line], "o", color=colour, label=f"{name}, mean")
        axes.plot(at, [1e3 * point.p99 for point in line], "^", color=colour, label=f"{name}, p99")
    axes.set(yscale="log", xlabel="requests/s of one row at one replica", ylabel="ms")
    axes.xaxis.set_major_formatter(lambda rate, _: f"{rate:,.0f}")
    axes.yaxis.set_major_formatter(lambda delay, _: f"{delay:g}")
    axes.set_title("What batches are worth (dots: simulated, lines: formulas)", loc="left")
    axes.legend(frameon=False)


def _overload(axes: Axes, costs: Costs, points: Sequence[Point]) -> None:
    for colour, (name, line) in zip(COLOURS, _study(points, "overload"), strict=False):
        _through(axes, line, lambda point: expected_goodput(costs, point), colour)
        shares = [point.requests_per_second / saturated(costs, point) for point in line]
        axes.plot([point.at for point in line], shares, "o", color=colour, label=name)
    axes.set(xlabel="sent, times what saturates a replica", ylabel="answered, of what saturates it", ylim=(0, 1.1))
    axes.set_title("Overload: refusing costs reading (dots: simulated, lines: formulas)", loc="left")
    axes.legend(frameon=False, loc="center right")


def _study(points: Iterable[Point], study: str) -> Iterable[tuple[str, list[Point]]]:
    return lines(point for point in points if point.study == study)


def _through(axes: Axes, line: Sequence[Point], formula: Callable[[Point], float], colour: str) -> None:
    at = np.geomspace(line[0].at, line[-1].at, FINE).tolist()
    axes.plot(at, [formula(replace(line[0], at=place)) for place in at], color=colour, linewidth=1)


def _names(axes: Axes, ends: Sequence[End]) -> None:
    """Each line's name beside its end, none on another."""
    pixels = axes.figure.dpi / POINTS
    free = -np.inf
    for name, at, colour in sorted(ends, key=lambda end: end[1][1]):
        height = axes.transData.transform(at)[1] / pixels
        free = max(free, height)
        axes.annotate(
            name, at, (7, free - height), textcoords="offset points", va="center", color=colour, fontsize=LETTERS
        )
        free += LETTERS + 2


def _replicas(axes: Axes) -> None:
    left, right = axes.get_xlim()
    axes.set_xlim(left, right * LABELS)
    axes.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1,000"])
    axes.minorticks_off()
