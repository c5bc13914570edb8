"""Raw results of a benchmark, written to disk after each step, so that an interrupted run can continue."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from benchmarks.serving.servers.http_requests import WrongAnswer
from benchmarks.serving.servers.server_process import NotServing

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pace:
    """Number of rounds, and seconds of warm-up and of measurement for each load."""

    rounds: int
    warm_up: float
    seconds: float


@dataclass(frozen=True, slots=True)
class LoadResult:
    """One load on one server in one round.

    Attributes:
        load: the key of the load.
        answers: responses with status 2xx.
        errors: all other requests.
        server_cpu_seconds: CPU time of all processes of the server.
        client_cpu_seconds: CPU time of wrk.
        memory_bytes: proportional set sizes of all processes of the server, after the load.
    """

    load: str
    rows: int
    answers: int
    errors: int
    seconds: float
    p50_ms: float
    p99_ms: float
    server_cpu_seconds: float
    client_cpu_seconds: float
    memory_bytes: int

    @property
    def requests_per_second(self) -> float:
        """Answered requests per second."""
        return self.answers / self.seconds

    @property
    def rows_per_second(self) -> float:
        """Rows of answered requests per second."""
        return self.rows * self.requests_per_second

    @property
    def cpu_per_thousand_rows(self) -> float:
        """CPU seconds of the server per thousand answered rows; infinite if no request was answered."""
        return self.server_cpu_seconds / (self.answers * self.rows) * 1000 if self.answers else math.inf


@dataclass(frozen=True, slots=True)
class ServerRun:
    """One server with one graph in one round; `failure` says why it was not measured."""

    round: int
    server: str
    graph: str
    ready_seconds: float = 0.0
    loads: tuple[LoadResult, ...] = ()
    failure: str = ""


@dataclass
class Results:
    """All measurements that a page is rendered from.

    Attributes:
        conditions: machine, versions, commands, pace, date; `key` is the digest of code and pace.
        runs: each server with each graph in each round.
        scenarios: the records of each further scenario, by its name.
        failures: why a scenario has no records.
    """

    path: Path
    conditions: dict[str, object]
    runs: list[ServerRun] = field(default_factory=list)
    scenarios: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The results in a file."""
        content = json.loads(path.read_text(encoding="utf-8"))
        runs = [
            ServerRun(**{**run, "loads": tuple(LoadResult(**load) for load in run["loads"])}) for run in content["runs"]
        ]
        return cls(path, content["conditions"], runs, content["scenarios"], content["failures"])

    @classmethod
    def resume(cls, path: Path, conditions: dict[str, object]) -> Self:
        """Results of an interrupted run, without its failures, if the same code ran at the same pace; else empty."""
        if not path.exists():
            return cls(path, conditions)
        before = cls.read(path)
        if before.conditions["key"] != conditions["key"]:
            return cls(path, conditions)
        return cls(path, conditions, [run for run in before.runs if not run.failure], before.scenarios)

    @property
    def pace(self) -> Pace:
        """Rounds and seconds of the run."""
        stored = self.conditions["pace"]
        return Pace(**stored) if isinstance(stored, dict) else Pace(0, 0, 0)

    def texts(self, condition: str) -> dict[str, str]:
        """A condition that is a table of texts, for example `versions` or `commands`."""
        stored = self.conditions.get(condition)
        return {str(key): str(value) for key, value in stored.items()} if isinstance(stored, dict) else {}

    def write(self, path: Path | None = None) -> None:
        """Writes the file atomically: an interruption leaves the previous file."""
        target = path or self.path
        target.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "conditions": self.conditions,
            "runs": [asdict(run) for run in self.runs],
            "scenarios": self.scenarios,
            "failures": self.failures,
        }
        draft = target.with_suffix(".draft")
        draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        draft.replace(target)

    def add(self, run: ServerRun) -> None:
        """Adds the run of a server and writes the file."""
        self.runs.append(run)
        self.write()

    def run_scenario(self, name: str, scenario: "Callable[[], Sequence[DataclassInstance]]") -> None:
        """Runs a scenario unless its records exist; stores its records, or the reason of its failure."""
        if name in self.scenarios:
            return
        try:
            self.scenarios[name] = [asdict(record) for record in scenario()]
        except (NotServing, WrongAnswer, OSError, HTTPException) as error:
            self.failures[name] = str(error)
        self.write()

    def records(self, name: str, kind: type[T]) -> list[T]:
        """The records of a scenario; empty if it was not run."""
        return [kind(**record) for record in self.scenarios.get(name, [])]
