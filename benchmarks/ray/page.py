"""Renders the page of the Ray benchmark from the raw results."""

from pathlib import Path
from typing import Final

from benchmarks.markdown import NOT_MEASURED, number, table, times
from benchmarks.ray.variants import BY_KEY, DIFFEO_RAY, HAPROXY, THROUGHPUT, plain_equivalent
from benchmarks.serving.load.wrk import Load
from benchmarks.serving.report.summary import Metric, Summary, median, p50, p99, ratio, requests_per_second
from benchmarks.serving.scenarios.results import LoadResult, Results
from benchmarks.serving.servers.catalogue import Server

GRAPH: Final = "flow64"
ONE_ROW: Final = Load(1, 1)
LOADS: Final = (Load(1, 32), Load(1024, 8))

INTRODUCTION: Final = """\
# The cost of Ray Serve

`make bench-ray`, {date}: {machine}. One flow (five affine couplings, 64 hidden units), JSON, wrk on the
same cores. In each round every server is started, warmed up for {warm_up:g} s and measured for {seconds:g} s under each
load, and stopped. The tables show medians over {rounds} rounds. Before the measurement the answers of each server are
compared with those of the graph itself. A plain server and a Ray replica run the same application: one process with two
computing threads, or two processes with one thread each where the name says two. Raw results:
[`ray.json`](ray.json)."""


def write(results: Results, path: Path) -> None:
    """Renders the page and writes it."""
    summary = Summary(results)
    sections = [
        _introduction(results),
        "## One request at a time: added latency",
        _one_request(summary),
        *(section for load in LOADS for section in (f"## {str(load).removesuffix(', JSON')}", _load(summary, load))),
        "## Start and memory",
        _starts(summary),
        *_failed_runs(results),
        "## Versions and commands",
        _commands(results),
    ]
    path.write_text("\n\n".join(sections) + "\n", encoding="utf-8")


def measured_servers(summary: Summary) -> list[Server]:
    """The servers of these results, in the order of the tables."""
    found = {run.server for run in summary.results.runs}
    return [server for server in BY_KEY.values() if server.key in found]


def _introduction(results: Results) -> str:
    pace, conditions = results.pace, results.conditions
    return INTRODUCTION.format(
        date=conditions["date"],
        machine=conditions["machine"],
        rounds=pace.rounds,
        warm_up=pace.warm_up,
        seconds=pace.seconds,
    )


def _one_request(summary: Summary) -> str:
    rows: list[list[str]] = []
    for server in measured_servers(summary):
        own = _median(summary, server.key, ONE_ROW, p50)
        plain = _median(summary, plain_equivalent(server.key), ONE_ROW, p50)
        added = NOT_MEASURED if own is None or plain is None else f"{own - plain:+.2f}"
        rows.append([_name(server), number(own), added, number(_median(summary, server.key, ONE_ROW, p99))])
    return table(["server", "p50, ms", "more than plain, ms", "p99, ms"], rows)


def _load(summary: Summary, load: Load) -> str:
    head = ["server", "requests/s", "least to most", "share of plain", "p50, ms", "p99, ms"]
    head += ["CPU s per 1000 requests", "errors"]
    rows: list[list[str]] = []
    for server in measured_servers(summary):
        results = summary.loads(server.key, GRAPH, load)
        rates = [result.requests_per_second for result in results]
        plain = _median(summary, plain_equivalent(server.key), load, requests_per_second)
        rows.append(
            [
                _name(server),
                number(median(rates)),
                f"{number(min(rates))} to {number(max(rates))}" if rates else NOT_MEASURED,
                times(ratio(median(rates), plain)),
                number(_median(summary, server.key, load, p50)),
                number(_median(summary, server.key, load, p99)),
                number(_median(summary, server.key, load, _cpu_per_thousand_requests)),
                str(sum(result.errors for result in results)) if results else NOT_MEASURED,
            ]
        )
    return table(head, rows)


def _starts(summary: Summary) -> str:
    rows = [
        [_name(server), number(summary.ready_seconds(server.key)), number(summary.memory_mb(server.key))]
        for server in measured_servers(summary)
    ]
    return table(["server", "process start to first answer, s", "memory after the loads, MB (PSS)"], rows)


def _failed_runs(results: Results) -> list[str]:
    failed = [[BY_KEY[run.server].name, str(run.round), run.failure] for run in results.runs if run.failure]
    return ["Not measured:", table(["server", "round", "reason"], failed)] if failed else []


def _commands(results: Results) -> str:
    commands = results.texts("commands")
    rows = [
        [server.name, _ray_variables(server), f"`{commands[server.name]}`"]
        for server in BY_KEY.values()
        if server.name in commands
    ]
    plain_versions = results.texts("versions").get(BY_KEY["plain"].name)
    ray_versions = [f"{name} {found}" for name, found in results.texts("extras").items()]
    versions = ", ".join([*([plain_versions] if plain_versions else []), *ray_versions])
    defaults = f"`diffeo serve --ray` sets `{HAPROXY}` and `{THROUGHPUT}` to 1 unless they are set."
    return f"{versions}. {defaults}\n\n" + table(["server", "variables", "command"], rows)


def _ray_variables(server: Server) -> str:
    return " ".join(f"{name}={value}" for name, value in server.variables.items() if name.startswith("RAY_"))


def _median(summary: Summary, key: str, load: Load, metric: Metric) -> float | None:
    return summary.median(key, GRAPH, load, metric)


def _cpu_per_thousand_requests(load: LoadResult) -> float:
    return load.server_cpu_seconds / max(1, load.answers) * 1000


def _name(server: Server) -> str:
    return f"**{server.name}**" if server.key == DIFFEO_RAY else server.name
