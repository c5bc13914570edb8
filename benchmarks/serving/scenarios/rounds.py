"""The comparison: in each round every server is started, loaded and stopped, one after the other on the same cores."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from tqdm import tqdm

from benchmarks import process_tree
from benchmarks.serving.load.graphs import GRAPHS
from benchmarks.serving.load.wrk import Load, run_wrk
from benchmarks.serving.scenarios import in_process
from benchmarks.serving.scenarios.results import LoadResult, Pace, Results, ServerRun
from benchmarks.serving.servers import http_requests
from benchmarks.serving.servers.catalogue import Server
from benchmarks.serving.servers.server_process import NotServing, RunningServer, serving

CHECKED_ROWS: Final = 64
TOLERANCE: Final = 1e-3  # relative to max(1, |log p|), as for the golden vectors of a bundle


@dataclass(frozen=True, slots=True)
class Step:
    """One run of a server that is still to do."""

    round: int
    server: Server
    graph: str


def measure(results: Results, servers: Sequence[Server], failures: Mapping[str, str], pace: Pace) -> None:
    """Makes every run that the results do not hold yet.

    Each round begins with the same computation without a server, so that a drift of the machine shows in both.

    Args:
        results: gets each run as soon as it has ended.
        servers: all servers of the comparison.
        failures: reasons by the key of a server; a server with a reason is not tried.
        pace: rounds, and seconds for each load.
    """
    failed = dict(failures)
    for number in range(1, pace.rounds + 1):
        results.run_scenario(f"{in_process.NAME}, round {number}", lambda: in_process.measure(pace))
        _round(results, list(_steps(servers, number)), failed, pace)


def _round(results: Results, steps: Sequence[Step], failed: dict[str, str], pace: Pace) -> None:
    done = {(run.round, run.server, run.graph) for run in results.runs}
    remaining = [step for step in steps if (step.round, step.server.key, step.graph) not in done]
    with tqdm(remaining, desc=f"round {steps[0].round} of {pace.rounds}", unit="run") as bar:
        for step in bar:
            bar.set_postfix_str(f"{step.server.name}, {step.graph}")
            key = step.server.key
            failure = failed.get(key)
            run = ServerRun(step.round, key, step.graph, failure=failure) if failure else _run_twice(step, pace)
            if run.failure:
                failed[key] = run.failure
            results.add(run)


def _run_twice(step: Step, pace: Pace) -> ServerRun:
    # Some servers start or fail depending on the timing of their own processes. Two failures are not chance.
    run = _run(step, pace)
    return _run(step, pace) if run.failure else run


def _steps(servers: Sequence[Server], number: int) -> Iterator[Step]:
    for graph in GRAPHS:
        for server in servers:
            if graph in server.graphs:
                yield Step(number, server, graph)


def _run(step: Step, pace: Pace) -> ServerRun:
    loads = [load for load in GRAPHS[step.graph] if load.body_format in step.server.formats]
    return run_server(step.round, step.server, step.graph, loads, pace)


def run_server(number: int, server: Server, graph: str, loads: Sequence[Load], pace: Pace) -> ServerRun:
    """Starts one server, checks its answers, measures each load and stops the server."""
    try:
        with serving(server, graph) as running:
            check(running, graph)
            measured = tuple(measure_load(running, load, pace) for load in loads)
            return ServerRun(number, server.key, graph, running.ready_seconds, measured)
    except (NotServing, http_requests.WrongAnswer, OSError) as error:
        return ServerRun(number, server.key, graph, failure=str(error))


def check(running: RunningServer, graph: str) -> None:
    """Compares the server's answers with those of the graph itself.

    Raises:
        WrongAnswer: the numbers differ, so the server must not be measured.
    """
    x = http_requests.moons_rows(CHECKED_ROWS)
    expected = in_process.session(graph).run(["log_prob"], {"x": x})[0]
    for body_format in running.server.formats:
        actual = http_requests.log_prob(running.server, running.port, x, body_format)
        if actual.shape != expected.shape or not np.allclose(actual, expected, rtol=TOLERANCE, atol=TOLERANCE):
            raise http_requests.WrongAnswer(f"the answers in {body_format} differ from those of the graph itself")


def measure_load(running: RunningServer, load: Load, pace: Pace) -> LoadResult:
    """Warms the server up and measures one load."""
    request = http_requests.log_prob_request(running.server, http_requests.moons_rows(load.rows), load.body_format)
    run_wrk(running.port, request, load.connections, pace.warm_up)
    cpu_before = process_tree.cpu_seconds(running.supervisor)
    traffic = run_wrk(running.port, request, load.connections, pace.seconds)
    return LoadResult(
        load=load.key,
        rows=load.rows,
        answers=traffic.answers,
        errors=traffic.errors,
        seconds=traffic.seconds,
        p50_ms=traffic.p50_ms,
        p99_ms=traffic.p99_ms,
        server_cpu_seconds=process_tree.cpu_seconds(running.supervisor) - cpu_before,
        client_cpu_seconds=traffic.client_cpu_seconds,
        memory_bytes=process_tree.proportional_bytes(running.supervisor),
    )
