"""Reads what a job over files costs off benchmarks/scale.json; its graph is that of `models/moons`."""

import json
import statistics
from pathlib import Path
from typing import Any, Final

SCALE: Final = Path(__file__).parents[1] / "scale.json"


class Files:
    """The figures of benchmarks/scale.json that this needs: medians over the rounds."""

    def __init__(self, path: Path = SCALE) -> None:
        self._content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        self._scored: dict[str, Any] = self._content["scored"]

    @property
    def conditions(self) -> str:
        """Machine and date."""
        return f"{self._content['date']}: {self._content['machine']}"

    @property
    def rows(self) -> int:
        """Scored."""
        return int(self._scored["rows"])

    @property
    def drawn(self) -> int:
        """Rows drawn."""
        return int(self._content["drawn"]["rows"])

    @property
    def rows_per_second(self) -> float:
        """Of the whole machine, from the start of the command to its end."""
        return float(statistics.median(self._scored["rates"]))

    @property
    def in_memory(self) -> float:
        """Rows/s of the same graph on the same cores, without files."""
        return float(statistics.median(self._scored["in_memory"]))

    @property
    def block_rows(self) -> int:
        """Of a block, in the mean."""
        return round(self.rows / self._scored["blocks"])

    @property
    def blocks_per_second(self) -> float:
        """Of the whole machine."""
        return self.rows_per_second / self.block_rows

    @property
    def read_seconds_per_row(self) -> float:
        """Of a core, beside the arithmetic: read, match, write, and the start of the command in its share."""
        cores = float(self._scored["cores"])
        return cores / self.rows_per_second - cores / self.in_memory

    @property
    def held_bytes(self) -> float:
        """Most that the job held."""
        return float(self._scored["held_bytes"])

    @property
    def drawn_per_second(self) -> dict[str, float]:
        """Rows/s of a sample, by the number of workers."""
        seconds: dict[str, float] = self._content["drawn"]["seconds"]
        return {workers: self.drawn / spent for workers, spent in seconds.items()}
