"""The picture: requests per second of every server under each load, one panel a load."""

from pathlib import Path
from typing import Final

import matplotlib as mpl
from figures import Figures, number, requests_per_second
from graphs import GRAPHS
from load import Load
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from report import servers
from results import Results

GRAPH: Final = "flow64"
OURS: Final = "#0b6e4f"
OTHERS: Final = "#8a8f98"
SIZE: Final = (11.0, 7.5)


def draw(results: Results, path: Path) -> None:
    """Write the file."""
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    figure = Figure(figsize=SIZE, layout="constrained")
    loads = [load for load in GRAPHS[GRAPH] if load.form == "json"]
    for axes, load in zip(figure.subplots(2, 2).flat, loads, strict=True):
        _panel(axes, Figures(results), load)
    figure.savefig(path, dpi=130)


def _panel(axes: Axes, figures: Figures, load: Load) -> None:
    bars = _bars(figures, load)
    for place, (_, rate, ours) in enumerate(bars):
        colour = OURS if ours else OTHERS
        axes.hlines(place, 0.1, rate, color=colour, linewidth=1)
        axes.plot(rate, place, "o", color=colour)
        axes.annotate(number(rate), (rate, place), (6, 0), textcoords="offset points", va="center", color=colour)
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


def _bars(figures: Figures, load: Load) -> list[tuple[str, float, bool]]:
    found: list[tuple[str, float, bool]] = []
    for server in servers(figures.results):
        for form in server.forms:
            rate = figures.median(server.key, GRAPH, Load(load.rows, load.connections, form), requests_per_second)
            if rate:
                name = server.name + (", npy" if form == "npy" else "")
                found.append((name, rate, server.environment is None))
    return sorted(found, key=lambda bar: -bar[1])
