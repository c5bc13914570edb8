"""Derives the costs of a replica from benchmarks/results/serving.json.

The CPU time of a request of r rows is c + a / m + (p + b) r, where m requests share one turn of the event loop. m is
the number of connections of a worker, because the loop waits while more requests arrive, or the number of requests
that fill a chunk. c, a and p + b are fitted to the JSON loads by least squares of the relative error. b is the time of
the graph in process.
"""

import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.paths import RESULTS

SERVING: Final = RESULTS / "serving.json"
# key of the load: rows, requests per turn of each of two workers
LOADS: Final = {"json 1x1": (1, 1), "json 1x32": (1, 16), "json 64x32": (64, 16), "json 1024x8": (1024, 1)}
WORKERS: Final = {"diffeo-1": 1, "diffeo": 2}  # by the key of the server
GRAPH: Final = "flow64"


@dataclass(frozen=True, slots=True)
class LoadMedians:
    """One load on one server: medians over the rounds. `cpu_seconds` is per request."""

    requests_per_second: float
    rows_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_seconds: float
    memory_bytes: float


class ServingMeasurements:
    """The measurements that the estimates use."""

    def __init__(self, path: Path = SERVING) -> None:
        self._content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))

    @property
    def conditions(self) -> str:
        """Date and machine."""
        conditions = self._content["conditions"]
        return f"{conditions['date']}: {conditions['machine']}"

    def load(self, server: str, key: str, graph: str = GRAPH) -> LoadMedians:
        """The medians of one load on one server."""
        found = [
            load
            for run in self._content["runs"]
            if (run["server"], run["graph"]) == (server, graph)
            for load in run["loads"]
            if load["load"] == key
        ]

        def median(metric: str, per: str | None = None) -> float:
            return float(statistics.median(one[metric] / (one[per] if per else 1) for one in found))

        rate = median("answers", "seconds")
        return LoadMedians(
            rate,
            rate * found[0]["rows"],
            median("p50_ms"),
            median("p99_ms"),
            median("server_cpu_seconds", "answers"),
            median("memory_bytes"),
        )

    def row_seconds(self, graph: str) -> float:
        """b: core seconds of arithmetic per row, while two cores compute."""
        rounds = [records for name, records in self._content["scenarios"].items() if name.startswith("in process")]
        rates = [record["rows_per_second"] for records in rounds for record in records if record["graph"] == graph]
        return float(2 / statistics.median(rates))

    def memory_bytes(self) -> float:
        """Memory that a second worker adds."""
        one, two = (self.load(server, "json 1024x8").memory_bytes for server in WORKERS)
        return two - one

    def fit(self) -> tuple[float, float, float]:
        """c, a and p + b for JSON, in seconds."""
        cpu = np.array([self.load("diffeo", key).cpu_seconds for key in LOADS])
        terms = np.array([(1, 1 / per_turn, rows) for rows, per_turn in LOADS.values()])
        c, a, p_plus_b = np.linalg.lstsq(terms / cpu[:, None], np.ones(len(cpu)))[0]
        return float(c), float(a), float(p_plus_b)
