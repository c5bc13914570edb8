"""Reads the measurements of jobs over files from benchmarks/results/scale.json. The model is `models/moons`."""

import json
import statistics
from pathlib import Path
from typing import Any, Final

from benchmarks.paths import RESULTS

JOBS: Final = RESULTS / "scale.json"


class JobMeasurements:
    """The measurements that the estimates use: medians over the rounds."""

    def __init__(self, path: Path = JOBS) -> None:
        self._content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        self._scored: dict[str, Any] = self._content["scored"]

    @property
    def conditions(self) -> str:
        """Date and machine."""
        return f"{self._content['date']}: {self._content['machine']}"

    @property
    def scored_rows(self) -> int:
        """Rows of the scored files."""
        return int(self._scored["rows"])

    @property
    def drawn_rows(self) -> int:
        """Rows of the drawn sample."""
        return int(self._content["drawn"]["rows"])

    @property
    def rows_per_second(self) -> float:
        """Rate of the scoring job on the whole machine, from the start of the command to its end."""
        return float(statistics.median(self._scored["rates"]))

    @property
    def in_memory(self) -> float:
        """Rows/s of the same graph on the same cores, without files."""
        return float(statistics.median(self._scored["in_memory"]))

    @property
    def block_rows(self) -> int:
        """Mean number of rows in a block."""
        return round(self.scored_rows / int(self._scored["blocks"]))

    @property
    def blocks_per_second(self) -> float:
        """Rate of the whole machine."""
        return self.rows_per_second / self.block_rows

    @property
    def read_seconds_per_row(self) -> float:
        """Core seconds per row beside its arithmetic: read, match, write, and a share of the start of the command."""
        cores = float(self._scored["cores"])
        return cores / self.rows_per_second - cores / self.in_memory

    @property
    def peak_bytes(self) -> float:
        """Largest memory of all processes of the job."""
        return float(self._scored["peak_bytes"])

    @property
    def drawn_per_second(self) -> dict[str, float]:
        """Rows/s of the drawn sample, by number of workers."""
        seconds: dict[str, float] = self._content["drawn"]["seconds"]
        return {workers: self.drawn_rows / spent for workers, spent in seconds.items()}
