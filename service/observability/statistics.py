"""What was asked of each version since this process started: sums that only grow, in nanoseconds and rows."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

Key = tuple[str, int]  # what clients call a model, and its version
PHASES: Final = ("queue", "compute_input", "compute_infer", "compute_output")
NANOSECONDS: Final = 1_000_000  # a millisecond


class Spent(NamedTuple):
    """Where the time of one request went, nanoseconds.

    Attributes:
        queue: nobody computed its rows yet, where that is known apart from computing them.
        compute_input: the request was read.
        compute_infer: its rows were computed.
        compute_output: the answer was written.
    """

    queue: int
    compute_input: int
    compute_infer: int
    compute_output: int


@dataclass(slots=True)
class Sum:
    """How often something happened, and how long it took in all, nanoseconds."""

    count: int = 0
    ns: int = 0

    def add(self, ns: int) -> None:
        """Once more."""
        self.count += 1
        self.ns += ns


@dataclass(slots=True)
class Counts:
    """All that is counted of one version.

    Attributes:
        rows: rows answered.
        last: when the last answer was ready, milliseconds since 1970; 0 before the first.
        success: requests answered.
        fail: requests refused, whoever was to blame.
        phases: of the requests answered, by the fields of `Spent`.
    """

    rows: int = 0
    last: int = 0
    success: Sum = field(default_factory=Sum)
    fail: Sum = field(default_factory=Sum)
    phases: Mapping[str, Sum] = field(default_factory=lambda: {phase: Sum() for phase in PHASES})


class Tally:
    """The counts of every version that was asked."""

    def __init__(self) -> None:
        self._counts: dict[Key, Counts] = {}

    def answered(self, key: Key, rows: int, spent: Spent) -> None:
        """A request has its answer."""
        counts = self._counts.setdefault(key, Counts())
        counts.rows += rows
        counts.last = time.time_ns() // NANOSECONDS
        counts.success.add(sum(spent))
        for phase, ns in zip(PHASES, spent, strict=True):
            counts.phases[phase].add(ns)

    def refused(self, key: Key, ns: int) -> None:
        """A request to a version that is served has an error for an answer."""
        self._counts.setdefault(key, Counts()).fail.add(ns)

    def of(self, key: Key) -> Counts:
        """The counts of one version, all 0 where nobody asked it."""
        return self._counts.get(key) or Counts()


class Clock:
    """Tells how long each phase of something took."""

    def __init__(self) -> None:
        self._began = self._lap = time.perf_counter_ns()

    def lap(self) -> int:
        """Nanoseconds since the last lap."""
        last, self._lap = self._lap, time.perf_counter_ns()
        return self._lap - last

    def total(self) -> int:
        """Nanoseconds since it was started."""
        return time.perf_counter_ns() - self._began
