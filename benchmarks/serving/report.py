"""The page: every table is rendered from the raw figures, and can be rendered again from them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import fairness
import precision
import sampling
from figures import NOTHING, Figures, median, number, ratio, requests_per_second
from graphs import GRAPHS
from load import Load
from results import Results
from servers import SERVERS, Server
from verdicts import FIRST, Verdict, verdicts

HOLDS: Final = {True: "yes", False: "no", None: NOTHING}

INTRODUCTION: Final = """\
# Serving beside other servers

`make bench-serve`, {date}: {machine}. The same ONNX graph (five affine couplings fitted to two
moons, 64 or 512 hidden units) behind each server, the same rows, the same load, one server at a time. Medians over
rounds ({rounds}); in a round every server is started, warmed up for {warm_up:g} s and measured for {seconds:g} s under
each load, and stopped.

wrk, one thread, keep-alive, on the same cores: on a connection the next request leaves when the last is answered, so
requests/s and latency are two sides of one figure. One body is sent again and again. MLServer and Triton take the JSON
of the Open Inference Protocol, the others `{{"x": rows}}`. Before it is measured, each server's answers are compared
with the graph's own. Each peer is set up as its documentation shows ([`peers/`](peers)), with two threads for the
graph; Triton runs the graph as PyTriton's Python callable, not in its own ONNX Runtime backend. Ours runs with its
defaults. CPU and memory are those of a server's whole tree of processes, memory as the sum of proportional set sizes
(PSS). Raw figures: [`serving.json`](serving.json)."""


def write(results: Results, page: Path) -> None:
    """Render the page."""
    figures = Figures(results)
    parts = [
        INTRODUCTION.format(**_values(results)),
        "## What is asked, and what is so",
        _verdicts(verdicts(figures)),
        f"![requests per second of each server]({page.with_suffix('.png').name})",
        *_loads(figures),
        "## Start and memory",
        _starts(figures),
        *_lost(results),
        *_in_process(figures),
        *_sampling(figures),
        *_fairness(figures),
        *_precision(figures),
        "## Versions and commands",
        _versions(results),
    ]
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def servers(results: Results) -> list[Server]:
    """Those that were asked for, in the order of the tables."""
    visited = {visit.server for visit in results.visits}
    return [server for server in SERVERS.values() if server.key in visited]


def _values(results: Results) -> dict[str, object]:
    pace = results.conditions["pace"]
    return {**results.conditions, **(pace if isinstance(pace, dict) else {})}


def _verdicts(found: Sequence[Verdict]) -> str:
    rows = [[verdict.claim, verdict.asked, verdict.measured, HOLDS[verdict.holds]] for verdict in found]
    return table(["of `diffeo`", "asked", "measured", "holds"], rows)


def _loads(figures: Figures) -> Iterable[str]:
    for graph, loads in GRAPHS.items():
        yield f"## Load on {graph}"
        yield "The last column: `diffeo`'s requests/s in JSON, in those of the row."
        for load in loads:
            if load.form == "json":
                yield f"### {str(load).removesuffix(', JSON')}"
                yield _load(figures, graph, load)


def _load(figures: Figures, graph: str, load: Load) -> str:
    head = ["server", "requests/s", "least to most", "rows/s", "p50, ms", "p99, ms"]
    head += ["CPU s per 1000 rows", "errors", "`diffeo` is"]
    rows: list[list[str]] = []
    for server in servers(figures.results):
        fault = figures.fault(server.key, graph)
        if fault is not None:
            rows.append([server.name, "not measured", *[""] * (len(head) - 2)])
            continue
        rows += [_line(figures, server, graph, Load(load.rows, load.connections, form)) for form in server.forms]
    return table(head, [row for row in rows if row])


def _line(figures: Figures, server: Server, graph: str, load: Load) -> list[str]:
    outcomes = figures.outcomes(server.key, graph, load)
    if not outcomes:
        return []
    rates = [outcome.requests_per_second for outcome in outcomes]
    ours = figures.median(FIRST, graph, Load(load.rows, load.connections), requests_per_second)
    return [
        server.name + (", npy" if load.form == "npy" else ""),
        number(median(rates)),
        f"{number(min(rates))} to {number(max(rates))}",
        number(median(outcome.rows_per_second for outcome in outcomes)),
        number(median(outcome.p50_ms for outcome in outcomes)),
        number(median(outcome.p99_ms for outcome in outcomes)),
        number(median(outcome.cpu_per_thousand_rows for outcome in outcomes)),
        str(sum(outcome.errors for outcome in outcomes)),
        times(ratio(ours, median(rates))),
    ]


def _starts(figures: Figures) -> str:
    rows = []
    for server in servers(figures.results):
        fault = figures.fault(server.key, "flow64")
        cells = [number(figures.ready_seconds(server.key)), number(figures.memory_mb(server.key))]
        rows.append([server.name, *([fault, ""] if fault else cells)])
    return table(["server", "process start to first answer, s", "memory after the loads, MB (PSS)"], rows)


def _lost(results: Results) -> Iterable[str]:
    lost = {visit.server: visit for visit in reversed(results.visits) if visit.fault}
    if lost:
        yield "A server that fails twice at one visit is not visited again:"
        rows = [[SERVERS[key].name, visit.graph, str(visit.round), visit.fault] for key, visit in lost.items()]
        yield table(["server", "first lost at", "in round", "reason"], rows)


def _in_process(figures: Figures) -> Iterable[str]:
    yield "## Beside no server at all"
    yield (
        "The session that the server uses (one thread a call), called in chunks of 1024 rows by two threads of one "
        "process that has the machine to itself, at the beginning of each round. Over HTTP wrk takes its part of the "
        "same cores; the last column is the share of what the remaining cores would give."
    )
    rows = []
    for graph in GRAPHS:
        share, client = figures.npy_share(FIRST, graph), figures.client_cores(FIRST, graph)
        ceiling = figures.ceiling(graph, lambda found: found.rows_per_second)
        chunk = figures.ceiling(graph, lambda found: found.chunk_ms)
        left = None if client is None else (2 - client) / 2
        cells = [number(ceiling), number(chunk), percent(share), number(client), percent(ratio(share, left))]
        rows.append([graph, *cells])
    yield table(
        ["graph", "rows/s in process", "one chunk, ms", "`diffeo` npy, of that", "wrk, cores", "of what wrk leaves"],
        rows,
    )


def _sampling(figures: Figures) -> Iterable[str]:
    draws = figures.ceiling("flow64", lambda found: found.draws_per_second)
    yield f"## A million rows from `POST /sample`, {sampling.GRAPH}"
    yield (
        f"In process, drawn in pieces of 16 chunks and sent through the inverse graph on two threads: {number(draws)} "
        "rows/s. The client reads in Python on the same cores. Memory is the resident size of the server's tree, read "
        "every 20 ms: the most over all draws less what it was before the first, after eight draws of 20,000 rows."
    )
    rows = []
    for form in sampling.FORMS:
        fault = next((one.fault for one in figures.samples(form) if one.fault), None)
        cells = [
            number(figures.sample(form, lambda one: sampling.ROWS / one.seconds)),
            percent(figures.sample_share(form)),
            number(figures.sample(form, lambda one: one.first_byte_ms)),
            number(figures.sample(form, lambda one: one.first_rows_ms)),
            number(figures.growth_mb(form)),
        ]
        rows.append([form, *([fault, *[""] * 4] if fault else cells)])
    yield table(["form", "rows/s", "of in process", "first byte, ms", "first rows, ms", "growth, MB"], rows)
    yield from _fault(figures, "sampling")


def _fairness(figures: Figures) -> Iterable[str]:
    yield f"## One row beside a million, {fairness.GRAPH}"
    yield "One connection sends one row at a time (JSON); the ten others are a second wrk, npy."
    rows = []
    for beside in (fairness.ALONE, *fairness.COMPANIES):
        found = [
            company for company in figures.results.records("fairness", fairness.Company) if company.beside == beside
        ]
        rows.append(
            [
                beside,
                number(median(company.p50_ms for company in found)),
                number(median(company.p99_ms for company in found)),
                str(sum(company.errors for company in found)),
                str(sum(company.heavy_answers for company in found)),
                str(sum(company.heavy_errors for company in found)),
            ]
        )
    yield table(["while", "p50, ms", "p99, ms", "errors", "answers to the others", "refusals"], rows)
    yield from _fault(figures, "fairness")


def _precision(figures: Figures) -> Iterable[str]:
    yield f"## int8, {precision.GRAPH}"
    rows = [[name, number(figures.precision(name))] for name in (precision.FULL, precision.SMALL)]
    if "precision" in figures.results.scenarios and not figures.results.scenarios["precision"]:
        yield "The bundle has no int8 graph: not built."
    else:
        yield table(["precision", "rows/s, 1024 rows, 8 connections, npy"], rows)
    yield from _fault(figures, "precision")


def _fault(figures: Figures, scenario: str) -> Iterable[str]:
    if scenario in figures.results.faults:
        yield f"Not measured: {figures.results.faults[scenario]}."


def _versions(results: Results) -> str:
    versions, commands = results.conditions["versions"], results.conditions["commands"]
    if not isinstance(versions, dict) or not isinstance(commands, dict):
        return NOTHING
    rows = [[name, words, f"`{commands[name]}`" if name in commands else ""] for name, words in versions.items()]
    return table(["server", "versions", "command"], rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def times(share: float | None) -> str:
    """Of another."""
    return NOTHING if share is None else f"{number(share)} x"


def percent(share: float | None) -> str:
    """Of one."""
    return NOTHING if share is None else f"{100 * share:.0f} %"
