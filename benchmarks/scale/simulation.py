"""Requests through proxies to replicas and back, event by event; the same seed gives the same answer.

Events are kept in a heap by time: a request comes to a proxy, a request comes to a replica, a turn of a replica ends.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.scale.costs import Form, Proxy, ReplicaCosts
from benchmarks.scale.replica import Replica
from benchmarks.scale.routing import ROUTERS
from benchmarks.scale.traffic import Closed, Open, Sizes, Times, Traffic

WARM_UP: Final = 0.2  # of the requests: the queues fill before anything is counted

AT_PROXY, AT_REPLICA, TURN_ENDS = range(3)
Event = tuple[float, int, int, int]  # when, which number, what, of whom


@dataclass(frozen=True, slots=True)
class Fleet:
    """What serves.

    Attributes:
        costs: of every replica.
        replicas: how many.
        policy: a name in ROUTERS.
        proxies: cores that take requests and pass them on; a request comes to any of them.
        proxy: what it costs there; None costs nothing.
        form: of the bodies.
        gather: requests that one turn of a replica reads, at most.
        limit: requests that may be at one replica; a proxy refuses the others, which costs the replica nothing.
    """

    costs: ReplicaCosts
    replicas: int = 1
    policy: str = "random"
    proxies: int = 1
    proxy: Proxy | None = None
    form: Form = "json"
    gather: int | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of every request, in the order in which they came.

    Attributes:
        came: when it came to a proxy, seconds; nan where the run ended before.
        left: when its answer, or its refusal, had passed the replica; nan as above.
        refused: whether it was refused.
        rows: what it brought.
        seconds: in which each replica was busy.
        turns: calls of an engine, all replicas.
        computed: rows, all replicas.
        longest: requests at the fullest replica when the last one came.
    """

    came: Times
    left: Times
    refused: np.ndarray
    rows: Sizes
    seconds: Times
    turns: int
    computed: int
    longest: int

    @property
    def answered(self) -> np.ndarray:
        """Whether a request was."""
        return ~self.refused & ~np.isnan(self.left)

    @property
    def latencies(self) -> Times:
        """Of answered requests, without the first fifth of all."""
        late = self.answered
        late[: int(WARM_UP * len(late))] = False
        latencies: Times = (self.left - self.came)[late]
        return latencies

    def quantile(self, share: float) -> float:
        """Latency that this share of the answered requests stays below; nan where none was answered."""
        found = self.latencies
        return float(np.quantile(found, share)) if len(found) else np.nan

    @property
    def mean(self) -> float:
        """Latency; nan as above."""
        found = self.latencies
        return float(found.mean()) if len(found) else np.nan

    @property
    def requests_per_second(self) -> float:
        """Answered, while requests came and the queues had filled."""
        last = float(np.nanmax(self.came))
        first = WARM_UP * last
        return float(np.count_nonzero(self.answered & (self.left > first) & (self.left <= last))) / (last - first)

    @property
    def utilisation(self) -> float:
        """Of the replicas, until the last answer."""
        return float(self.seconds.mean() / np.nanmax(self.left))

    @property
    def batch_rows(self) -> float:
        """Mean rows of one call."""
        return self.computed / self.turns


def simulate(fleet: Fleet, traffic: Traffic, seed: int) -> Outcome:
    """Run until every request has been answered or refused."""
    return _Run(fleet, traffic, np.random.default_rng(seed)).outcome()


class _Run:
    """The state of one simulation."""

    def __init__(self, fleet: Fleet, traffic: Traffic, generator: np.random.Generator) -> None:
        count = len(traffic.rows)
        rows: list[int] = traffic.rows.tolist()
        self._replicas = [Replica(fleet.costs, rows, fleet.gather) for _ in range(fleet.replicas)]
        self._router = ROUTERS[fleet.policy](fleet.proxies, fleet.replicas, generator)
        self._proxy: list[int] = generator.integers(fleet.proxies, size=count).tolist()
        self._free = [0.0] * fleet.proxies
        self._limit = fleet.limit
        self._forwarding = _forwarding(fleet, traffic.rows)
        self._to = [0] * count
        self._came, self._left, self._refused = [np.nan] * count, [np.nan] * count, [False] * count
        self._events: list[Event] = []
        self._number = 0
        self._longest = 0
        self._rows = traffic.rows
        self._coming: Iterator[tuple[int, float]] = iter(())
        self._following: Iterator[int] = iter(())
        self._start(traffic)

    def _start(self, traffic: Traffic) -> None:
        match traffic:
            case Open(times, _):
                self._coming = enumerate(times.tolist())
                self._next_comes()
            case Closed(connections, rows):
                self._following = iter(range(len(rows)))
                for _, request in zip(range(connections), self._following, strict=False):
                    self._add(0.0, AT_PROXY, request)

    def outcome(self) -> Outcome:
        """Handle events until there are none."""
        events = self._events
        while events:
            now, _, what, whom = heapq.heappop(events)
            if what == TURN_ENDS:
                self._turn_ends(now, whom)
            elif what == AT_REPLICA:
                self._reach(now, whom)
            else:
                self._come(now, whom)
        return Outcome(
            np.array(self._came),
            np.array(self._left),
            np.array(self._refused),
            self._rows,
            np.array([replica.seconds for replica in self._replicas]),
            sum(replica.turns for replica in self._replicas),
            sum(replica.computed for replica in self._replicas),
            self._longest,
        )

    def _add(self, when: float, what: int, whom: int) -> None:
        # The number settles what comes first of what happens at the same time.
        self._number += 1
        heapq.heappush(self._events, (when, self._number, what, whom))

    def _next_comes(self) -> None:
        coming = next(self._coming, None)
        if coming is not None:
            request, when = coming
            self._add(when, AT_PROXY, request)

    def _come(self, now: float, request: int) -> None:
        self._came[request] = now
        self._next_comes()
        seconds = self._forwarding[request] if self._forwarding else 0.0
        if not seconds:
            self._reach(now, request)
            return
        proxy = self._proxy[request]
        self._free[proxy] = max(now, self._free[proxy]) + seconds
        self._add(self._free[proxy], AT_REPLICA, request)

    def _reach(self, now: float, request: int) -> None:
        number = self._to[request] = self._router.choose(self._proxy[request])
        replica = self._replicas[number]
        if self._limit is not None and replica.present >= self._limit:
            self._refused[request] = True
            self._leave(now, request)
            return
        replica.come(request)
        if request == len(self._to) - 1:
            self._longest = max(replica.present for replica in self._replicas)
        if not replica.busy:
            self._turn(now, number)

    def _turn(self, now: float, number: int) -> None:
        replica = self._replicas[number]
        seconds = replica.begin()
        if replica.busy:
            self._add(now + seconds, TURN_ENDS, number)

    def _turn_ends(self, now: float, number: int) -> None:
        answered, refused = self._replicas[number].end()
        for request in refused:
            self._refused[request] = True
        for request in answered + refused:
            self._leave(now, request)
        self._turn(now, number)

    def _leave(self, now: float, request: int) -> None:
        self._left[request] = now
        self._router.answered(self._proxy[request], self._to[request])
        following = next(self._following, None)
        if following is not None:
            self._add(now, AT_PROXY, following)


def _forwarding(fleet: Fleet, rows: Sizes) -> list[float]:
    """Seconds that a proxy takes for each request."""
    if fleet.proxy is None:
        return []
    seconds = {size: fleet.proxy.seconds(size, fleet.form) for size in np.unique(rows).tolist()}
    return [seconds[size] for size in rows.tolist()]
