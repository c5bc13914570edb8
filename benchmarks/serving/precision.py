"""The wide flow in float32 and in int8, where the bundle has both."""

import json
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Final

import wire
from load import drive
from processes import Running, serving
from results import Pace
from servers import Server
from tqdm import tqdm

GRAPH: Final = "flow512"
ROWS: Final = 1024
CONNECTIONS: Final = 8
FULL: Final = "float32"
SMALL: Final = "int8"


@dataclass(frozen=True, slots=True)
class Scored:
    """One precision in one round."""

    precision: str
    rows_per_second: float
    errors: int


def scored(server: Server, pace: Pace) -> list[Scored]:
    """Both in turn; nothing where the server does not offer int8."""
    with serving(server, GRAPH) as running:
        if SMALL not in _precisions(running.port):
            return []
        tries = [name for _ in range(pace.rounds) for name in (FULL, SMALL)]
        return [_score(running, name, pace) for name in tqdm(tries, desc="precision", unit="try")]


def _precisions(port: int) -> list[str]:
    connection = HTTPConnection(wire.HOST, port, timeout=wire.SECONDS)
    connection.request("GET", f"/models/{GRAPH}")
    newest = json.loads(connection.getresponse().read())["newest"]
    connection.close()
    return list(newest["precisions"])


def _score(running: Running, precision: str, pace: Pace) -> Scored:
    request = wire.score(running.server, wire.rows(ROWS), "npy", f"?precision={precision}")
    drive(running.port, request, CONNECTIONS, pace.warm_up)
    traffic = drive(running.port, request, CONNECTIONS, pace.seconds)
    return Scored(precision, ROWS * traffic.answers / traffic.seconds, traffic.errors)
