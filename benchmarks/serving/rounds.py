"""The comparison: in each round every server is started, loaded and stopped, one after the other on the same cores."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import inprocess
import numpy as np
import tree
import wire
from graphs import GRAPHS
from load import Load, drive
from processes import NotServing, Running, serving
from results import Outcome, Pace, Results, Visit
from servers import Server
from tqdm import tqdm

CHECKED_ROWS: Final = 64
TOLERANCE: Final = 1e-3  # of max(1, |log p|), as a bundle's golden vectors


@dataclass(frozen=True, slots=True)
class Step:
    """A visit that is to be made."""

    round: int
    server: Server
    graph: str


def measure(results: Results, servers: Sequence[Server], faults: Mapping[str, str], pace: Pace) -> None:
    """Make every visit that is not kept yet; a server that has failed, or whose key has a fault, is not tried.

    Each round begins with what the machine gives without a server, so that drift of the machine is in both.
    """
    failed = dict(faults)
    for number in range(1, pace.rounds + 1):
        results.run(f"{inprocess.NAME}, round {number}", lambda: inprocess.ceilings(pace))
        _round(results, list(_steps(servers, number)), failed, pace)


def _round(results: Results, steps: Sequence[Step], failed: dict[str, str], pace: Pace) -> None:
    kept = {(visit.round, visit.server, visit.graph) for visit in results.visits}
    left = [step for step in steps if (step.round, step.server.key, step.graph) not in kept]
    with tqdm(left, desc=f"round {steps[0].round} of {pace.rounds}", unit="visit") as bar:
        for step in bar:
            bar.set_postfix_str(f"{step.server.name}, {step.graph}")
            key = step.server.key
            fault = failed.get(key)
            visit = Visit(step.round, key, step.graph, fault=fault) if fault else _tried(step, pace)
            if visit.fault:
                failed[key] = visit.fault
            results.add(visit)


def _tried(step: Step, pace: Pace) -> Visit:
    # Some starts depend on how soon one of their processes sees another; a second failure is no accident.
    visit = _visit(step, pace)
    return _visit(step, pace) if visit.fault else visit


def _steps(servers: Sequence[Server], number: int) -> Iterator[Step]:
    for graph in GRAPHS:
        for server in servers:
            if graph in server.graphs:
                yield Step(number, server, graph)


def _visit(step: Step, pace: Pace) -> Visit:
    server, graph = step.server, step.graph
    try:
        with serving(server, graph) as running:
            check(running, graph)
            loads = [load for load in GRAPHS[graph] if load.form in server.forms]
            outcomes = tuple(loaded(running, load, pace) for load in loads)
            return Visit(step.round, server.key, graph, running.ready_seconds, outcomes)
    except (NotServing, wire.WrongAnswer, OSError) as fault:
        return Visit(step.round, server.key, graph, fault=str(fault))


def check(running: Running, graph: str) -> None:
    """A server that answers with other numbers than the graph's is not measured."""
    x = wire.rows(CHECKED_ROWS)
    expected = inprocess.session(graph).run(["log_prob"], {"x": x})[0]
    for form in running.server.forms:
        got = wire.log_prob(running.server, running.port, x, form)
        if got.shape != expected.shape or not np.allclose(got, expected, rtol=TOLERANCE, atol=TOLERANCE):
            raise wire.WrongAnswer(f"other numbers than the graph's own in {form}")


def loaded(running: Running, load: Load, pace: Pace) -> Outcome:
    """One load."""
    request = wire.score(running.server, wire.rows(load.rows), load.form)
    drive(running.port, request, load.connections, pace.warm_up)
    before = tree.cpu_seconds(running.keeper)
    traffic = drive(running.port, request, load.connections, pace.seconds)
    return Outcome(
        load=load.key,
        rows=load.rows,
        answers=traffic.answers,
        errors=traffic.errors,
        seconds=traffic.seconds,
        p50_ms=traffic.p50_ms,
        p99_ms=traffic.p99_ms,
        server_cpu_seconds=tree.cpu_seconds(running.keeper) - before,
        client_cpu_seconds=traffic.client_cpu_seconds,
        memory_bytes=tree.shared_out_bytes(running.keeper),
    )
