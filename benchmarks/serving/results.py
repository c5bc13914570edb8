"""What has been measured: the raw figures, on disk as soon as a step has ended, so that a cut run goes on."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Self, TypeVar

from processes import NotServing
from wire import WrongAnswer

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pace:
    """How long everything takes."""

    rounds: int
    warm_up: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """One load on one server, once.

    Attributes:
        load: the key of the load.
        answers: requests that were answered with 2xx.
        errors: those that were not.
        server_cpu_seconds: processor time of the server's whole tree of processes.
        client_cpu_seconds: that of wrk.
        memory_bytes: sum of the proportional set sizes of the tree, at the end.
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
        """Answered."""
        return self.answers / self.seconds

    @property
    def rows_per_second(self) -> float:
        """Answered."""
        return self.rows * self.requests_per_second

    @property
    def cpu_per_thousand_rows(self) -> float:
        """Seconds of the server; without an answer, infinite."""
        return self.server_cpu_seconds / (self.answers * self.rows) * 1000 if self.answers else math.inf


@dataclass(frozen=True, slots=True)
class Visit:
    """One server over one graph in one round; `fault` says why there is nothing else."""

    round: int
    server: str
    graph: str
    ready_seconds: float = 0.0
    outcomes: tuple[Outcome, ...] = ()
    fault: str = ""


@dataclass
class Results:
    """Everything that a page is made of.

    Attributes:
        conditions: machine, versions, commands, pace, date; `key` is the digest of code and pace.
        scenarios: the records of each further scenario, by its name.
        faults: why a scenario has no records.
    """

    path: Path
    conditions: dict[str, object]
    visits: list[Visit] = field(default_factory=list)
    scenarios: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Self:
        """What a file holds."""
        content = json.loads(path.read_text(encoding="utf-8"))
        visits = [
            Visit(**{**visit, "outcomes": tuple(Outcome(**outcome) for outcome in visit["outcomes"])})
            for visit in content["visits"]
        ]
        return cls(path, content["conditions"], visits, content["scenarios"], content["faults"])

    @classmethod
    def go_on(cls, path: Path, conditions: dict[str, object]) -> Self:
        """What a cut run of the same code at the same pace has left, but for its failures; else nothing yet."""
        if not path.exists():
            return cls(path, conditions)
        kept = cls.read(path)
        if kept.conditions["key"] != conditions["key"]:
            return cls(path, conditions)
        return cls(path, conditions, [visit for visit in kept.visits if not visit.fault], kept.scenarios)

    def write(self, path: Path | None = None) -> None:
        """Whole or not at all: a cut leaves the file as it was."""
        target = path or self.path
        target.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "conditions": self.conditions,
            "visits": [asdict(visit) for visit in self.visits],
            "scenarios": self.scenarios,
            "faults": self.faults,
        }
        draft = target.with_suffix(".draft")
        draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        draft.replace(target)

    def add(self, visit: Visit) -> None:
        """Keep a visit."""
        self.visits.append(visit)
        self.write()

    def run(self, name: str, scenario: Callable[[], Sequence[object]]) -> None:
        """Keep the records of a scenario, or why there are none, unless they are kept already."""
        if name in self.scenarios:
            return
        try:
            self.scenarios[name] = [asdict(record) for record in scenario()]
        except (NotServing, WrongAnswer, OSError, HTTPException) as fault:
            self.faults[name] = str(fault)
        self.write()

    def records(self, name: str, kind: type[T]) -> list[T]:
        """The records of a scenario; none if it was not run."""
        return [kind(**record) for record in self.scenarios.get(name, [])]
