"""Fairness: the latency of one small client alone, and beside ten clients that score or draw a million rows each."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tqdm import tqdm

from benchmarks.serving.load.wrk import Traffic, Wrk, run_wrk
from benchmarks.serving.scenarios.results import Pace
from benchmarks.serving.servers.catalogue import Server
from benchmarks.serving.servers.http_requests import NPY, Request, log_prob_request, moons_rows
from benchmarks.serving.servers.server_process import RunningServer, serving

GRAPH: Final = "flow64"
ROWS: Final = 1_000_000
HEAVY_CLIENTS: Final = 10
ALONE: Final = "no other client"
SCORE: Final = "ten others score a million rows each"
DRAW: Final = "ten others draw a million rows each"
HEAVY_LOADS: Final = (SCORE, DRAW)


@dataclass(frozen=True, slots=True)
class FairnessResult:
    """The small client's answers and latency beside one heavy load.

    Attributes:
        heavy_load: what the other clients do.
        heavy_answers: answers to the other clients during the measurement, a million rows each.
        heavy_errors: errors of the other clients.
    """

    heavy_load: str
    answers: int
    errors: int
    p50_ms: float
    p99_ms: float
    heavy_answers: int = 0
    heavy_errors: int = 0


def measure(server: Server, pace: Pace) -> list[FairnessResult]:
    """Each heavy load in each round; each round has a newly started server."""
    found: list[FairnessResult] = []
    for _ in tqdm(range(pace.rounds), desc="fairness", unit="round"):
        with serving(server, GRAPH) as running:
            found += _round(running, pace)
    return found


def _round(running: RunningServer, pace: Pace) -> Iterator[FairnessResult]:
    small = log_prob_request(running.server, moons_rows(1))
    run_wrk(running.port, small, 1, pace.warm_up)
    yield _result(ALONE, run_wrk(running.port, small, 1, pace.seconds))
    # The answers to ten million rows take seconds. The measurement must cover more than their beginning.
    seconds = 4 * pace.seconds
    for heavy_load, request in _heavy_requests(running.server).items():
        with Wrk(running.port, request, HEAVY_CLIENTS, seconds + pace.warm_up + 1) as heavy:
            run_wrk(running.port, small, 1, pace.warm_up)
            light = run_wrk(running.port, small, 1, seconds)
            yield _result(heavy_load, light, heavy.traffic())


def _heavy_requests(server: Server) -> dict[str, Request]:
    draw = json.dumps({"num_samples": ROWS}).encode()
    headers = {"Content-Type": "application/json", "Accept": NPY}
    return {
        SCORE: log_prob_request(server, moons_rows(ROWS), "npy"),
        DRAW: Request("/sample", draw, headers),
    }


def _result(heavy_load: str, light: Traffic, heavy: Traffic | None = None) -> FairnessResult:
    values = (heavy_load, light.answers, light.errors, light.p50_ms, light.p99_ms)
    if heavy is None:
        return FairnessResult(*values)
    return FairnessResult(*values, heavy.answers, heavy.errors)
