"""The page: every table is rendered from the raw figures, and can be rendered again from them."""

from pathlib import Path
from typing import Final

from figures import NOTHING, Figure, Figures, median, number, p50, ratio, requests_per_second
from load import Load
from report import table, times
from results import Outcome, Results
from servers import Server
from variants import BY_KEY, OURS, PROXY, THROUGHPUT, equal_of

GRAPH: Final = "flow64"
ONE: Final = Load(1, 1)
LOADS: Final = (Load(1, 32), Load(1024, 8))

INTRODUCTION: Final = """\
# What Ray Serve costs

`make bench-ray`, {date}: {machine}. One flow (five affine couplings, 64 hidden units), JSON, wrk on the same cores.
Medians over rounds ({rounds}); in a round every server is started, warmed up for {warm_up:g} s and measured for
{seconds:g} s under each load, and stopped. Each server's answers are compared with the graph's own first. A plain
server and a replica of Ray have the same application, one process and two threads that compute, or where two are said
two processes of one thread each. Raw figures: [`ray.json`](ray.json)."""


def write(results: Results, page: Path) -> None:
    """Render the page."""
    figures = Figures(results)
    pace = results.conditions["pace"]
    values = {**results.conditions, **(pace if isinstance(pace, dict) else {})}
    parts = [
        INTRODUCTION.format(**values),
        "## One request at a time: what is added to each",
        _alone(figures),
        *(part for load in LOADS for part in (f"## {str(load).removesuffix(', JSON')}", _loaded(figures, load))),
        "## Start and memory",
        _weights(figures),
        *_lost(results),
        "## Versions and commands",
        _commands(results),
    ]
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def visited(figures: Figures) -> list[Server]:
    """Those that were asked for, in the order of the tables."""
    found = {visit.server for visit in figures.results.visits}
    return [server for server in BY_KEY.values() if server.key in found]


def _alone(figures: Figures) -> str:
    rows = []
    for server in visited(figures):
        own, plain = _of(figures, server.key, ONE, p50), _of(figures, equal_of(server.key), ONE, p50)
        added = NOTHING if own is None or plain is None else f"{own - plain:+.2f}"
        rows.append([_name(server), number(own), added, number(_of(figures, server.key, ONE, _p99))])
    return table(["server", "p50, ms", "to plain, ms", "p99, ms"], rows)


def _loaded(figures: Figures, load: Load) -> str:
    head = ["server", "requests/s", "least to most", "of plain", "p50, ms", "p99, ms"]
    head += ["CPU s per 1000 requests", "errors"]
    rows = []
    for server in visited(figures):
        outcomes = figures.outcomes(server.key, GRAPH, load)
        rates = [outcome.requests_per_second for outcome in outcomes]
        plain = _of(figures, equal_of(server.key), load, requests_per_second)
        rows.append(
            [
                _name(server),
                number(median(rates)),
                f"{number(min(rates))} to {number(max(rates))}" if rates else NOTHING,
                times(ratio(median(rates), plain)),
                number(_of(figures, server.key, load, p50)),
                number(_of(figures, server.key, load, _p99)),
                number(_of(figures, server.key, load, lambda one: one.server_cpu_seconds / max(1, one.answers) * 1000)),
                str(sum(outcome.errors for outcome in outcomes)) if outcomes else NOTHING,
            ]
        )
    return table(head, rows)


def _weights(figures: Figures) -> str:
    rows = [
        [_name(server), number(figures.ready_seconds(server.key)), number(figures.memory_mb(server.key))]
        for server in visited(figures)
    ]
    return table(["server", "process start to first answer, s", "memory after the loads, MB (PSS)"], rows)


def _lost(results: Results) -> list[str]:
    lost = [[BY_KEY[visit.server].name, str(visit.round), visit.fault] for visit in results.visits if visit.fault]
    return ["Not measured:", table(["server", "round", "reason"], lost)] if lost else []


def _commands(results: Results) -> str:
    commands, extras = results.conditions["commands"], results.conditions["extras"]
    if not isinstance(commands, dict) or not isinstance(extras, dict):
        return NOTHING
    rows = [
        [server.name, " ".join(map("=".join, server.variables.items())), f"`{commands[server.name]}`"]
        for server in BY_KEY.values()
        if server.name in commands
    ]
    said = ", ".join(f"{name} {found}" for name, found in extras.items())
    ours = results.conditions["versions"]
    plain = ours.get(BY_KEY["plain"].name, "") if isinstance(ours, dict) else ""
    words = f"{plain}, {said}." + f" `{PROXY}` and `{THROUGHPUT}` are 1 with `diffeo serve --ray` unless they are set."
    return words + "\n\n" + table(["server", "variables", "command"], rows)


def _of(figures: Figures, key: str, load: Load, figure: Figure) -> float | None:
    return figures.median(key, GRAPH, load, figure)


def _p99(outcome: Outcome) -> float:
    return outcome.p99_ms


def _name(server: Server) -> str:
    return f"**{server.name}**" if server.key == OURS else server.name
