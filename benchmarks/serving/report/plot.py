"""Plots the requests per second of every server, one panel for each load."""

from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from benchmarks.markdown import number
from benchmarks.serving.load.graphs import GRAPHS
from benchmarks.serving.load.wrk import Load
from benchmarks.serving.report.page import measured_servers
from benchmarks.serving.report.summary import SMALL_GRAPH, Summary, requests_per_second
from benchmarks.serving.scenarios.results import Results

OURS: Final = "#0b6e4f"
OTHERS: Final = "#8a8f98"
SIZE: Final = (11.0, 7.5)


def draw(results: Results, path: Path) -> None:
    """Write the PNG file."""
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    figure = Figure(figsize=SIZE, layout="constrained")
    loads = [load for load in GRAPHS[SMALL_GRAPH] if load.body_format == "json"]
    for axes, load in zip(figure.subplots(2, 2).flat, loads, strict=True):
        _panel(axes, Summary(results), load)
    figure.savefig(path, dpi=130)


def _panel(axes: Axes, summary: Summary, load: Load) -> None:
    bars = _bars(summary, load)
    for position, (_, rate, ours) in enumerate(bars):
        colour = OURS if ours else OTHERS
        axes.hlines(position, 0.1, rate, color=colour, linewidth=1)
        axes.plot(rate, position, "o", color=colour)
        axes.annotate(number(rate), (rate, position), (6, 0), textcoords="offset points", va="center", color=colour)
    axes.set_yticks(range(len(bars)), [name for name, _, _ in bars])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes.xaxis.set_major_formatter(lambda rate, _: f"{rate:,.0f}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    rates = [rate for _, rate, _ in bars] or [1.0]
    axes.set_xlim(min(rates) / 2, max(rates) * 2.5)
    axes.set_title(str(load).removesuffix(", JSON"), loc="left")
    axes.set_xlabel("requests/s")


def _bars(summary: Summary, load: Load) -> list[tuple[str, float, bool]]:
    """Name, requests per second and whether the server is ours; the fastest first."""
    found: list[tuple[str, float, bool]] = []
    for server in measured_servers(summary.results):
        for body_format in server.formats:
            same_size = Load(load.rows, load.connections, body_format)
            rate = summary.median(server.key, SMALL_GRAPH, same_size, requests_per_second)
            if rate:
                name = server.name + (", npy" if body_format == "npy" else "")
                found.append((name, rate, server.environment is None))
    return sorted(found, key=lambda bar: -bar[1])
