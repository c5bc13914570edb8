"""The picture: what a fleet gives, how it is routed to, what batches are worth, what overload does."""

from collections.abc import Iterable, Sequence
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
QUIET: Final = "#8a8f98"
FINE: Final = 200  # points of a formula's line


def draw(costs: Costs, points: Sequence[Point], bulk: Sequence[tuple[int, float]], path: Path) -> None:
    """Write the file."""
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    figure = Figure(figsize=SIZE, layout="constrained")
    (fleet, routing), (batches, overload) = figure.subplots(2, 2)
    _fleet(fleet, costs, points, bulk)
    _routing(routing, costs, points)
    _batches(batches, costs, points)
    _overload(overload, costs, points)
    figure.suptitle("dots: simulated; lines: formulas (in the panel of routing, lines only join the dots)", fontsize=9)
    figure.savefig(path, dpi=130)


def _fleet(axes: Axes, costs: Costs, points: Sequence[Point], bulk: Sequence[tuple[int, float]]) -> None:
    for colour, (name, line) in zip(COLOURS, _study(points, "throughput"), strict=False):
        at = [point.at for point in line]
        axes.plot(at, [expected_rate(costs, point) * point.rows for point in line], color=colour, linewidth=1)
        axes.plot(at, [point.requests_per_second * point.rows for point in line], "o", color=colour, label=name)
    wire, row_seconds = costs.storage.machine_bytes_per_second, costs.row_seconds["flow64"]
    cores = np.geomspace(1, 1000, FINE)
    expected = [formulas.bulk_rate(costs.bulk, row_seconds, int(core), wire) for core in cores]
    axes.plot(cores, expected, color="black", linewidth=1)
    axes.plot(*zip(*bulk, strict=True), "s", color="black", label="files, one wire of 10 Gbit/s")
    axes.set(xscale="log", yscale="log", xlabel="replicas, one core each", ylabel="rows/s")
    axes.set_title("What a fleet gives: the proxy ends it first", loc="left")
    axes.legend(frameon=False, fontsize=8)


def _routing(axes: Axes, costs: Costs, points: Sequence[Point]) -> None:
    for colour, (name, line) in zip(COLOURS, _study(points, "policies"), strict=False):
        axes.plot([point.at for point in line], [1e3 * point.p99 for point in line], "o-", color=colour, label=name)
    replica = costs.replica()
    idle = 1e3 * formulas.idle_latency(replica, max(MIX))
    axes.axhline(idle, color=QUIET, linewidth=1, linestyle=":")
    axes.annotate(f"{max(MIX):,} rows at an idle replica", (1, idle), (2, -11), textcoords="offset points", color=QUIET)
    axes.set(xscale="log", xlabel="replicas", ylabel="p99, ms", ylim=(0, None))
    axes.set_title(f"Routing the mix, load {percent(LOAD)} of saturation", loc="left")
    axes.legend(frameon=False, fontsize=8)


def _batches(axes: Axes, costs: Costs, points: Sequence[Point]) -> None:
    replica = costs.replica()
    alone = {1: 1.0}
    means = (formulas.batched_latency, formulas.unbatched_latency)
    for colour, formula, (name, line) in zip(COLOURS, means, _study(points, "batching"), strict=False):
        rates = np.linspace(line[0].at, line[-1].at, FINE)
        axes.plot(rates, [1e3 * formula(replica, alone, rate) for rate in rates], color=colour, linewidth=1)
        axes.plot(
            [point.at for point in line], [1e3 * point.mean for point in line], "o", color=colour, label=f"{name}, mean"
        )
        axes.plot(
            [point.at for point in line], [1e3 * point.p99 for point in line], "^", color=colour, label=f"{name}, p99"
        )
    axes.set(yscale="log", xlabel="requests/s of one row at one replica", ylabel="ms")
    axes.set_title("What batches are worth", loc="left")
    axes.legend(frameon=False, fontsize=8)


def _overload(axes: Axes, costs: Costs, points: Sequence[Point]) -> None:
    for colour, (name, line) in zip(COLOURS, _study(points, "overload"), strict=False):
        at = [point.at for point in line]
        axes.plot(at, [expected_goodput(costs, point) for point in line], color=colour, linewidth=1)
        shares = [point.requests_per_second / saturated(costs, point) for point in line]
        axes.plot(at, shares, "o", color=colour, label=name)
    axes.set(xlabel="sent, times what saturates a replica", ylabel="answered, of what saturates it", ylim=(0, 1.1))
    axes.set_title("Overload: refusing costs reading", loc="left")
    axes.legend(frameon=False, fontsize=8)


def _study(points: Iterable[Point], study: str) -> Iterable[tuple[str, list[Point]]]:
    return lines(point for point in points if point.study == study)
