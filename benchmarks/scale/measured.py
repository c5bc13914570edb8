"""Reads the costs of a replica off benchmarks/serving.json: `python -m benchmarks.scale.measured` prints them.

Processor time per request is c + a / m + (p + b) r for r rows, with m requests to a turn of the loop: as many as
a worker has connections, for it waits while more are coming, or as fill a chunk. c, a and p + b are fitted to the
JSON loads by least squares of the relative error; b is what the graph takes in process.
"""

import json
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.scale.files import Files

SERVING: Final = Path(__file__).parents[1] / "serving.json"
CHUNK_ROWS: Final = 1024
# key: rows, requests to a turn of each of two workers
LOADS: Final = {"json 1x1": (1, 1), "json 1x32": (1, 16), "json 64x32": (64, 16), "json 1024x8": (1024, 1)}
WORKERS: Final = {"diffeo-1": 1, "diffeo": 2}  # by the key of the server
GRAPH: Final = "flow64"


@dataclass(frozen=True, slots=True)
class Load:
    """What one load gave: medians over the rounds."""

    requests_per_second: float
    rows_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_seconds: float
    memory_bytes: float


class Measured:
    """The figures of benchmarks/serving.json that this needs."""

    def __init__(self, path: Path = SERVING) -> None:
        self._content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))

    @property
    def conditions(self) -> str:
        """Machine and date."""
        conditions = self._content["conditions"]
        return f"{conditions['date']}: {conditions['machine']}"

    def load(self, server: str, key: str, graph: str = GRAPH) -> Load:
        """One server under one load."""
        found = [
            outcome
            for visit in self._content["visits"]
            if (visit["server"], visit["graph"]) == (server, graph)
            for outcome in visit["outcomes"]
            if outcome["load"] == key
        ]

        def median(figure: str, per: str | None = None) -> float:
            return float(statistics.median(one[figure] / (one[per] if per else 1) for one in found))

        rate = median("answers", "seconds")
        return Load(
            rate,
            rate * found[0]["rows"],
            median("p50_ms"),
            median("p99_ms"),
            median("server_cpu_seconds", "answers"),
            median("memory_bytes"),
        )

    def row_seconds(self, graph: str) -> float:
        """Of a core, while two compute."""
        rounds = [records for name, records in self._content["scenarios"].items() if name.startswith("in process")]
        rates = [record["rows_per_second"] for records in rounds for record in records if record["graph"] == graph]
        return float(2 / statistics.median(rates))

    def memory_bytes(self) -> float:
        """What the second worker adds."""
        one, two = (self.load(server, "json 1024x8").memory_bytes for server in WORKERS)
        return two - one

    def fitted(self) -> tuple[float, float, float]:
        """c, a and p + b in JSON, seconds."""
        cpu = np.array([self.load("diffeo", key).cpu_seconds for key in LOADS])
        steps = np.array([(1, 1 / together, rows) for rows, together in LOADS.values()])
        c, a, d = np.linalg.lstsq(steps / cpu[:, None], np.ones(len(cpu)))[0]
        return float(c), float(a), float(d)


def main() -> None:
    """Print what costs.toml should say."""
    measured = Measured()
    c, a, d = measured.fitted()
    b = {graph: measured.row_seconds(graph) for graph in ("flow64", "flow512")}
    json_1024, npy_1024 = (measured.load("diffeo", f"{form} 1024x8").cpu_seconds for form in ("json", "npy"))
    apart = (json_1024 - npy_1024) / CHUNK_ROWS
    lines = [
        "[replica]",
        f"request_seconds = {c * 1e6:.0f}e-6",
        f"turn_seconds = {a * 1e6:.0f}e-6",
        f"memory_bytes = {measured.memory_bytes() / 1e6:.0f}e6",
        "[replica.read_seconds_per_row]",
        f"json = {(d - b[GRAPH]) * 1e6:.2f}e-6",
        f"npy = {(d - b[GRAPH] - apart) * 1e6:.2f}e-6",
        "[replica.row_seconds]",
        *(f"{graph} = {seconds * 1e6:.4g}e-6" for graph, seconds in b.items()),
        "[bulk]",
        f"read_seconds_per_row = {Files().read_seconds_per_row * 1e6:.2f}e-6",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
