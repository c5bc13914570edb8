"""Compares float32 with int8 on the wide flow, if the bundle has an int8 graph."""

import json
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Final

from tqdm import tqdm

from benchmarks.serving.load.wrk import run_wrk
from benchmarks.serving.scenarios.results import Pace
from benchmarks.serving.servers.catalogue import Server
from benchmarks.serving.servers.http_requests import HOST, TIMEOUT_SECONDS, log_prob_request, moons_rows
from benchmarks.serving.servers.server_process import RunningServer, serving

GRAPH: Final = "flow512"
ROWS: Final = 1024
CONNECTIONS: Final = 8
FLOAT32: Final = "float32"
INT8: Final = "int8"


@dataclass(frozen=True, slots=True)
class PrecisionResult:
    """One precision in one round."""

    precision: str
    rows_per_second: float
    errors: int


def measure(server: Server, pace: Pace) -> list[PrecisionResult]:
    """Measures both precisions in turn; empty if the server offers no int8."""
    with serving(server, GRAPH) as running:
        if INT8 not in _precisions(running.port):
            return []
        order = [name for _ in range(pace.rounds) for name in (FLOAT32, INT8)]
        return [_measure_precision(running, name, pace) for name in tqdm(order, desc="precision", unit="run")]


def _precisions(port: int) -> list[str]:
    connection = HTTPConnection(HOST, port, timeout=TIMEOUT_SECONDS)
    connection.request("GET", f"/models/{GRAPH}")
    newest = json.loads(connection.getresponse().read())["newest"]
    connection.close()
    return list(newest["precisions"])


def _measure_precision(running: RunningServer, precision: str, pace: Pace) -> PrecisionResult:
    request = log_prob_request(running.server, moons_rows(ROWS), "npy", f"?precision={precision}")
    run_wrk(running.port, request, CONNECTIONS, pace.warm_up)
    traffic = run_wrk(running.port, request, CONNECTIONS, pace.seconds)
    return PrecisionResult(precision, ROWS * traffic.answers / traffic.seconds, traffic.errors)
