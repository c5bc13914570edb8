"""What one small caller notices of ten large ones: a row's log_prob alone, beside a million rows scored, and drawn."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import wire
from load import Traffic, Wrk, drive
from processes import Running, serving
from results import Pace
from servers import Server
from tqdm import tqdm

GRAPH: Final = "flow64"
ROWS: Final = 1_000_000
HEAVY_CLIENTS: Final = 10
ALONE: Final = "nobody else asks"
SCORE: Final = "ten others score a million rows each"
DRAW: Final = "ten others draw a million rows each"
COMPANIES: Final = (SCORE, DRAW)


@dataclass(frozen=True, slots=True)
class Company:
    """The small caller's figures in one company.

    Attributes:
        beside: what the others do.
        heavy_answers: what they got meanwhile, a million rows each; more is under way.
        heavy_errors: what they were refused.
    """

    beside: str
    answers: int
    errors: int
    p50_ms: float
    p99_ms: float
    heavy_answers: int = 0
    heavy_errors: int = 0


def companies(server: Server, pace: Pace) -> list[Company]:
    """Each company in each round; a fresh server a round."""
    found: list[Company] = []
    for _ in tqdm(range(pace.rounds), desc="fairness", unit="round"):
        with serving(server, GRAPH) as running:
            found += _round(running, pace)
    return found


def _round(running: Running, pace: Pace) -> Iterator[Company]:
    small = wire.score(running.server, wire.rows(1))
    drive(running.port, small, 1, pace.warm_up)
    yield _company(ALONE, drive(running.port, small, 1, pace.seconds))
    # Ten million rows take a while, and the small caller is to see more than their beginning.
    seconds = 4 * pace.seconds
    for beside, request in _heavy(running.server).items():
        with Wrk(running.port, request, HEAVY_CLIENTS, seconds + pace.warm_up + 1) as heavy:
            drive(running.port, small, 1, pace.warm_up)
            light = drive(running.port, small, 1, seconds)
            yield _company(beside, light, heavy.traffic())


def _heavy(server: Server) -> dict[str, wire.Request]:
    draw = json.dumps({"num_samples": ROWS}).encode()
    headers = {"Content-Type": "application/json", "Accept": wire.NPY}
    return {
        SCORE: wire.score(server, wire.rows(ROWS), "npy"),
        DRAW: wire.Request("/sample", draw, headers),
    }


def _company(beside: str, light: Traffic, heavy: Traffic | None = None) -> Company:
    figures = (beside, light.answers, light.errors, light.p50_ms, light.p99_ms)
    if heavy is None:
        return Company(*figures)
    return Company(*figures, heavy.answers, heavy.errors)
