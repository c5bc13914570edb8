"""Simulates requests that pass proxies to replicas, event by event. The same seed gives the same result.

A heap orders the events by time: a request arrives at a proxy, a request arrives at a replica, a turn of a replica
ends.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.scale.costs.costs import BodyFormat, ProxyCosts, ReplicaCosts
from benchmarks.scale.simulation.replica import Replica
from benchmarks.scale.simulation.routing import ROUTERS
from benchmarks.scale.simulation.traffic import ClosedTraffic, OpenTraffic, Sizes, Times, Traffic

WARM_UP: Final = 0.2  # share of the requests that are not counted, because the queues fill first

AT_PROXY, AT_REPLICA, TURN_ENDS = range(3)
Event = tuple[float, int, int, int]  # time, sequence number, kind, request or replica


@dataclass(frozen=True, slots=True)
class Fleet:
    """Replicas and proxies.

    Attributes:
        costs: costs of every replica.
        replicas: number of replicas.
        policy: a name in ROUTERS.
        proxies: number of proxy cores; each request arrives at a random one.
        proxy: costs of a proxy core; None costs nothing.
        body_format: format of all bodies.
        gather: maximum number of requests that one turn of a replica reads.
        limit: maximum number of requests at one replica; a proxy rejects the others, which costs the replica nothing.
    """

    costs: ReplicaCosts
    replicas: int = 1
    policy: str = "random"
    proxies: int = 1
    proxy: ProxyCosts | None = None
    body_format: BodyFormat = "json"
    gather: int | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """All requests of a simulation, in the order in which they were sent.

    Attributes:
        arrived: arrival at a proxy in seconds; nan if the simulation ended before.
        left: answer or rejection, at the replica, in seconds; nan if the simulation ended before.
        rejected: whether the request was rejected.
        rows: rows of the request.
        busy_seconds: total time of all turns, by replica.
        turns: calls of an engine, over all replicas.
        computed_rows: rows, over all replicas.
        longest_queue: requests at the fullest replica when the last request arrived.
    """

    arrived: Times
    left: Times
    rejected: npt.NDArray[np.bool_]
    rows: Sizes
    busy_seconds: Times
    turns: int
    computed_rows: int
    longest_queue: int

    @property
    def answered(self) -> npt.NDArray[np.bool_]:
        """Whether each request was answered."""
        answered: npt.NDArray[np.bool_] = ~self.rejected & ~np.isnan(self.left)
        return answered

    @property
    def latencies(self) -> Times:
        """Latencies of the answered requests in seconds, without the first fifth of all requests."""
        counted = self.answered
        counted[: int(WARM_UP * len(counted))] = False
        latencies: Times = (self.left - self.arrived)[counted]
        return latencies

    def quantile(self, share: float) -> float:
        """Quantile of the latencies in seconds; nan if no request was answered."""
        found = self.latencies
        return float(np.quantile(found, share)) if len(found) else np.nan

    @property
    def mean(self) -> float:
        """Mean latency in seconds; nan if no request was answered."""
        found = self.latencies
        return float(found.mean()) if len(found) else np.nan

    @property
    def requests_per_second(self) -> float:
        """Answered requests per second, from the end of the warm-up to the last arrival."""
        last = float(np.nanmax(self.arrived))
        first = WARM_UP * last
        return float(np.count_nonzero(self.answered & (self.left > first) & (self.left <= last))) / (last - first)

    @property
    def utilisation(self) -> float:
        """Busy share of the replicas until the last answer."""
        return float(self.busy_seconds.mean() / np.nanmax(self.left))

    @property
    def batch_rows(self) -> float:
        """Mean number of rows per call of an engine."""
        return self.computed_rows / self.turns


def simulate(fleet: Fleet, traffic: Traffic, seed: int) -> Outcome:
    """Runs until every request was answered or rejected."""
    return _Simulation(fleet, traffic, np.random.default_rng(seed)).run()


class _Simulation:
    """The state of one simulation."""

    def __init__(self, fleet: Fleet, traffic: Traffic, generator: np.random.Generator) -> None:
        count = len(traffic.rows)
        rows: list[int] = traffic.rows.tolist()
        self._replicas = [Replica(fleet.costs, rows, fleet.gather) for _ in range(fleet.replicas)]
        self._router = ROUTERS[fleet.policy](fleet.proxies, fleet.replicas, generator)
        self._proxy_of: list[int] = generator.integers(fleet.proxies, size=count).tolist()
        self._replica_of = [0] * count
        self._proxy_free = [0.0] * fleet.proxies
        self._limit = fleet.limit
        self._forwarding = _forwarding_seconds(fleet, traffic.rows)
        self._arrived, self._left, self._rejected = [np.nan] * count, [np.nan] * count, [False] * count
        self._events: list[Event] = []
        self._sequence = 0
        self._longest_queue = 0
        self._rows = traffic.rows
        self._arrivals: Iterator[tuple[int, float]] = iter(())
        self._unsent: Iterator[int] = iter(())
        self._start(traffic)

    def _start(self, traffic: Traffic) -> None:
        match traffic:
            case OpenTraffic(times, _):
                self._arrivals = enumerate(times.tolist())
                self._add_next_arrival()
            case ClosedTraffic(connections, rows):
                self._unsent = iter(range(len(rows)))
                for _, request in zip(range(connections), self._unsent, strict=False):
                    self._add(0.0, AT_PROXY, request)

    def run(self) -> Outcome:
        """Handles events until none is left."""
        events = self._events
        while events:
            now, _, kind, subject = heapq.heappop(events)
            if kind == TURN_ENDS:
                self._on_turn_end(now, subject)
            elif kind == AT_REPLICA:
                self._on_replica_arrival(now, subject)
            else:
                self._on_proxy_arrival(now, subject)
        return Outcome(
            np.array(self._arrived),
            np.array(self._left),
            np.array(self._rejected),
            self._rows,
            np.array([replica.busy_seconds for replica in self._replicas]),
            sum(replica.turns for replica in self._replicas),
            sum(replica.computed_rows for replica in self._replicas),
            self._longest_queue,
        )

    def _add(self, when: float, kind: int, subject: int) -> None:
        # The sequence number orders events that happen at the same time.
        self._sequence += 1
        heapq.heappush(self._events, (when, self._sequence, kind, subject))

    def _add_next_arrival(self) -> None:
        arrival = next(self._arrivals, None)
        if arrival is not None:
            request, when = arrival
            self._add(when, AT_PROXY, request)

    def _on_proxy_arrival(self, now: float, request: int) -> None:
        self._arrived[request] = now
        self._add_next_arrival()
        seconds = self._forwarding[request] if self._forwarding else 0.0
        if not seconds:
            self._on_replica_arrival(now, request)
            return
        proxy = self._proxy_of[request]
        self._proxy_free[proxy] = max(now, self._proxy_free[proxy]) + seconds
        self._add(self._proxy_free[proxy], AT_REPLICA, request)

    def _on_replica_arrival(self, now: float, request: int) -> None:
        number = self._replica_of[request] = self._router.choose(self._proxy_of[request])
        replica = self._replicas[number]
        if self._limit is not None and replica.present >= self._limit:
            self._rejected[request] = True
            self._leave(now, request)
            return
        replica.add(request)
        if request == len(self._replica_of) - 1:
            self._longest_queue = max(replica.present for replica in self._replicas)
        if not replica.busy:
            self._begin_turn(now, number)

    def _begin_turn(self, now: float, number: int) -> None:
        replica = self._replicas[number]
        seconds = replica.begin_turn()
        if replica.busy:
            self._add(now + seconds, TURN_ENDS, number)

    def _on_turn_end(self, now: float, number: int) -> None:
        answered, rejected = self._replicas[number].end_turn()
        for request in rejected:
            self._rejected[request] = True
        for request in answered + rejected:
            self._leave(now, request)
        self._begin_turn(now, number)

    def _leave(self, now: float, request: int) -> None:
        self._left[request] = now
        self._router.on_answer(self._proxy_of[request], self._replica_of[request])
        unsent = next(self._unsent, None)
        if unsent is not None:
            self._add(now, AT_PROXY, unsent)


def _forwarding_seconds(fleet: Fleet, rows: Sizes) -> list[float]:
    """Time of a proxy core for each request; empty if proxies cost nothing."""
    if fleet.proxy is None:
        return []
    seconds = {size: fleet.proxy.seconds(size, fleet.body_format) for size in np.unique(rows).tolist()}
    return [seconds[size] for size in rows.tolist()]
