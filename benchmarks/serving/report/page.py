"""Renders the page of the serving benchmark from the raw results."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.markdown import NOT_MEASURED, number, percent, table, times
from benchmarks.serving.load.graphs import GRAPHS
from benchmarks.serving.load.wrk import Load
from benchmarks.serving.report.summary import SMALL_GRAPH, Summary, median, p50, p99, ratio, requests_per_second
from benchmarks.serving.report.targets import FIRST, Target, targets
from benchmarks.serving.scenarios import fairness, precision, sampling
from benchmarks.serving.scenarios.results import Results
from benchmarks.serving.servers.catalogue import SERVERS, Server

MET: Final = {True: "yes", False: "no", None: NOT_MEASURED}

INTRODUCTION: Final = """\
# Serving beside other servers

`make bench-serve`, {date}: {machine}. Every server serves the same ONNX graph (five affine couplings
fitted to two moons, 64 or 512 hidden units) and gets the same rows under the same load, one server at a time. In each
round every server is started, warmed up for {warm_up:g} s and measured for {seconds:g} s under each load, and stopped.
The tables show medians over {rounds} rounds.

The load comes from wrk on the same cores: one thread, keep-alive connections, the same body again and again. A
connection sends its next request when it has the response to the last one, so requests/s and latency depend on each
other. MLServer and Triton take the JSON of the Open Inference Protocol, the other servers take `{{"x": rows}}`. Before
the measurement the answers of each server are compared with those of the graph itself. Each other server is set up as
its documentation shows ([`peers/`](../peers)), with two threads for the graph. Triton runs the graph as PyTriton's
Python callable, not in its ONNX Runtime backend. diffeo runs with its defaults. CPU and memory are summed over all
processes of a server; memory is the proportional set size (PSS). Raw results: [`serving.json`](serving.json)."""

IN_PROCESS: Final = """\
The same ONNX Runtime session as in the server (one thread per call), without a server: at the beginning of each round
two threads of one process call it with chunks of 1024 rows, with nothing else on the machine. Over HTTP wrk uses a part
of the same cores. The last column divides by the rate that the remaining cores would give."""

SAMPLING: Final = """\
Without a server, two threads that draw blocks of 16 chunks and send them through the inverse graph make {draws}
rows/s. The client is written in Python and runs on the same cores. Memory is the resident size of all processes of the
server, read every 20 ms. Its growth is the largest value during all requests less the value before the first of them,
after eight requests of 20,000 rows."""


def write(results: Results, path: Path) -> None:
    """Renders the page and writes it."""
    summary = Summary(results)
    sections = [
        _introduction(results),
        "## Targets",
        _targets(targets(summary)),
        f"![requests per second of each server]({path.with_suffix('.png').name})",
        *_loads(summary),
        "## Start and memory",
        _starts(summary),
        *_failed_runs(results),
        *_in_process(summary),
        *_sampling(summary),
        *_fairness(summary),
        *_precision(summary),
        "## Versions and commands",
        _versions(results),
    ]
    path.write_text("\n\n".join(sections) + "\n", encoding="utf-8")


def measured_servers(results: Results) -> list[Server]:
    """The servers of these results, in the order of the tables."""
    found = {run.server for run in results.runs}
    return [server for server in SERVERS.values() if server.key in found]


def _introduction(results: Results) -> str:
    pace, conditions = results.pace, results.conditions
    return INTRODUCTION.format(
        date=conditions["date"],
        machine=conditions["machine"],
        rounds=pace.rounds,
        warm_up=pace.warm_up,
        seconds=pace.seconds,
    )


def _targets(found: Sequence[Target]) -> str:
    rows = [[target.name, target.bound, target.measured, MET[target.met]] for target in found]
    return table(["of `diffeo`", "target", "measured", "met"], rows)


def _loads(summary: Summary) -> Iterable[str]:
    for graph, loads in GRAPHS.items():
        yield f"## Load on {graph}"
        yield "The last column: requests/s of `diffeo` in JSON, divided by those of the row."
        for load in loads:
            if load.body_format == "json":
                yield f"### {str(load).removesuffix(', JSON')}"
                yield _load(summary, graph, load)


def _load(summary: Summary, graph: str, load: Load) -> str:
    head = ["server", "requests/s", "least to most", "rows/s", "p50, ms", "p99, ms"]
    head += ["CPU s per 1000 rows", "errors", "`diffeo` is"]
    rows: list[list[str]] = []
    for server in measured_servers(summary.results):
        if summary.failure(server.key, graph) is not None:
            rows.append([server.name, "not measured", *[""] * (len(head) - 2)])
            continue
        sizes = [Load(load.rows, load.connections, body_format) for body_format in server.formats]
        rows += [_load_row(summary, server, graph, size) for size in sizes]
    return table(head, [row for row in rows if row])


def _load_row(summary: Summary, server: Server, graph: str, load: Load) -> list[str]:
    results = summary.loads(server.key, graph, load)
    if not results:
        return []
    rates = [result.requests_per_second for result in results]
    ours = summary.median(FIRST, graph, Load(load.rows, load.connections), requests_per_second)
    return [
        server.name + (", npy" if load.body_format == "npy" else ""),
        number(median(rates)),
        f"{number(min(rates))} to {number(max(rates))}",
        number(median(result.rows_per_second for result in results)),
        number(median(map(p50, results))),
        number(median(map(p99, results))),
        number(median(result.cpu_per_thousand_rows for result in results)),
        str(sum(result.errors for result in results)),
        times(ratio(ours, median(rates))),
    ]


def _starts(summary: Summary) -> str:
    rows: list[list[str]] = []
    for server in measured_servers(summary.results):
        failure = summary.failure(server.key, SMALL_GRAPH)
        cells = [number(summary.ready_seconds(server.key)), number(summary.memory_mb(server.key))]
        rows.append([server.name, *([failure, ""] if failure else cells)])
    return table(["server", "process start to first answer, s", "memory after the loads, MB (PSS)"], rows)


def _failed_runs(results: Results) -> Iterable[str]:
    failed = {run.server: run for run in reversed(results.runs) if run.failure}
    if failed:
        yield "A server that fails twice in one run is not run again:"
        rows = [[SERVERS[key].name, run.graph, str(run.round), run.failure] for key, run in failed.items()]
        yield table(["server", "first failure with", "in round", "reason"], rows)


def _in_process(summary: Summary) -> Iterable[str]:
    yield "## Without a server"
    yield IN_PROCESS
    rows: list[list[str]] = []
    for graph in GRAPHS:
        share, client = summary.npy_share(FIRST, graph), summary.client_cores(FIRST, graph)
        rate = summary.in_process(graph, lambda found: found.rows_per_second)
        chunk = summary.in_process(graph, lambda found: found.chunk_ms)
        remaining = None if client is None else (2 - client) / 2
        cells = [number(rate), number(chunk), percent(share), number(client), percent(ratio(share, remaining))]
        rows.append([graph, *cells])
    yield table(
        [
            "graph",
            "rows/s in process",
            "one chunk, ms",
            "`diffeo` npy, share of that",
            "wrk, cores",
            "share of the remaining cores",
        ],
        rows,
    )


def _sampling(summary: Summary) -> Iterable[str]:
    draws = summary.in_process(SMALL_GRAPH, lambda found: found.draws_per_second)
    yield f"## A million rows from `POST /sample`, {sampling.GRAPH}"
    yield SAMPLING.format(draws=number(draws))
    rows: list[list[str]] = []
    for media in sampling.MEDIA_TYPES:
        failure = summary.sample_failure(media)
        cells = [
            number(summary.sample(media, lambda one: sampling.ROWS / one.seconds)),
            percent(summary.sample_share(media)),
            number(summary.sample(media, lambda one: one.first_byte_ms)),
            number(summary.sample(media, lambda one: one.first_rows_ms)),
            number(summary.growth_mb(media)),
        ]
        rows.append([media, *([failure, *[""] * 4] if failure else cells)])
    yield table(["format", "rows/s", "share of in process", "first byte, ms", "first rows, ms", "growth, MB"], rows)
    yield from _scenario_failure(summary, "sampling")


def _fairness(summary: Summary) -> Iterable[str]:
    yield f"## One row beside a million, {fairness.GRAPH}"
    yield "One client sends one row at a time in JSON. A second wrk sends the load of the ten others in npy."
    rows: list[list[str]] = []
    records = summary.results.records("fairness", fairness.FairnessResult)
    for heavy_load in (fairness.ALONE, *fairness.HEAVY_LOADS):
        found = [result for result in records if result.heavy_load == heavy_load]
        rows.append(
            [
                heavy_load,
                number(median(result.p50_ms for result in found)),
                number(median(result.p99_ms for result in found)),
                str(sum(result.errors for result in found)),
                str(sum(result.heavy_answers for result in found)),
                str(sum(result.heavy_errors for result in found)),
            ]
        )
    yield table(["beside", "p50, ms", "p99, ms", "errors", "answers to the others", "errors of the others"], rows)
    yield from _scenario_failure(summary, "fairness")


def _precision(summary: Summary) -> Iterable[str]:
    yield f"## int8, {precision.GRAPH}"
    rows = [[name, number(summary.precision(name))] for name in (precision.FLOAT32, precision.INT8)]
    if "precision" in summary.results.scenarios and not summary.results.scenarios["precision"]:
        yield "The bundle has no int8 graph."
    else:
        yield table(["precision", "rows/s, 1024 rows, 8 connections, npy"], rows)
    yield from _scenario_failure(summary, "precision")


def _scenario_failure(summary: Summary, scenario: str) -> Iterable[str]:
    if scenario in summary.results.failures:
        yield f"Not measured: {summary.results.failures[scenario]}."


def _versions(results: Results) -> str:
    commands = results.texts("commands")
    rows = [
        [name, versions, f"`{commands[name]}`" if name in commands else ""]
        for name, versions in results.texts("versions").items()
    ]
    return table(["server", "versions", "command"], rows)
