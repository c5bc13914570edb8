"""The runs that the page and the picture are made of, as data; all of one seed, so any can be made alone."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from tqdm import tqdm

from benchmarks.scale import formulas
from benchmarks.scale.costs import Costs, ReplicaCosts
from benchmarks.scale.crew import Crew, work
from benchmarks.scale.simulation import Fleet, Outcome, simulate
from benchmarks.scale.traffic import MIX, Closed, Traffic, poisson, sizes

SEED: Final = 7
REPLICAS: Final = (1, 3, 10, 30, 100, 300, 1000)
LOAD: Final = 0.8  # of saturation, where policies are compared
LOADS: Final = (0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9, 0.95)
OFFERED: Final = (0.5, 0.8, 1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0)
PROXIES: Final = (1, 16, 256)
CONNECTIONS: Final = 16  # to a replica
LIMIT: Final = 64  # requests at one replica, where a proxy keeps to a limit
SHORT_QUEUE: Final = 20_000  # rows: fills at once, so that overload does not take long to show
KNOWING: Final = (("random", 1), ("in turn", 1), ("two choices", 1), ("fewest", 1), ("two choices", 64), ("fewest", 64))


@dataclass(frozen=True, slots=True)
class Case:
    """One run.

    Attributes:
        study: what it is part of.
        series: the line of the picture that it is on.
        at: where on it: replicas, requests a second, or a multiple of saturation.
        rows: of every request; 0 is the mix.
    """

    study: str
    series: str
    at: float
    fleet: Fleet
    traffic: Callable[[np.random.Generator], Traffic]
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """What a run gave; seconds."""

    study: str
    series: str
    at: float
    rows: int
    proxies: int
    limit: int | None
    mean: float
    p50: float
    p99: float
    requests_per_second: float
    utilisation: float
    batch_rows: float
    longest: int


def points(cases: Sequence[Case]) -> list[Point]:
    """Run all."""
    return [_point(case, run(case)) for case in tqdm(cases, desc="simulation", unit="run")]


def run(case: Case) -> Outcome:
    """One of them."""
    # A stream of its own for what comes: dice of the router must not know it.
    return simulate(case.fleet, case.traffic(np.random.default_rng((SEED, 1))), SEED)


def cases(costs: Costs) -> list[Case]:
    """Every study."""
    replica = costs.replica()
    return [*throughput(costs), *policies(replica), *batching(replica), *overload(replica)]


def throughput(costs: Costs) -> Iterable[Case]:
    """As fast as connections ask, through one proxy core and more."""
    for rows, cores in ((1, PROXIES), (1024, PROXIES[:2])):
        for proxies in cores:
            for replicas in REPLICAS:
                fleet = Fleet(costs.replica(), replicas, "two choices", proxies, costs.proxy)
                asking = CONNECTIONS * replicas
                series = f"{_rows(rows)}, {proxies} proxy core{'s' * (proxies > 1)}"
                yield Case("throughput", series, replicas, fleet, _closed(asking, rows), rows)


def policies(replica: ReplicaCosts) -> Iterable[Case]:
    """The mix at one load, proxies that cost nothing."""
    rate = LOAD * formulas.saturation(replica, MIX)
    for policy, proxies in KNOWING:
        for replicas in REPLICAS:
            fleet = Fleet(replica, replicas, policy, proxies)
            series = policy if proxies == 1 else f"{policy}, {proxies} proxies"
            count = max(40_000, 160 * replicas)
            yield Case("policies", series, replicas, fleet, _poisson(rate * replicas, MIX, count))


def batching(replica: ReplicaCosts) -> Iterable[Case]:
    """Single rows on one replica, in the batcher and one request to a turn."""
    most = formulas.saturation(replica, {1: 1.0})
    alone = 1 / formulas.idle_latency(replica, 1)
    for series, gather, rate in (("in the batcher", None, most), ("a turn each", 1, alone)):
        for load in LOADS:
            fleet = Fleet(replica, gather=gather)
            yield Case("batching", series, load * rate, fleet, _poisson(load * rate, {1: 1.0}, 30_000), 1)


def overload(replica: ReplicaCosts) -> Iterable[Case]:
    """More than one replica can answer."""
    short = replace(replica, queue_rows=SHORT_QUEUE)
    for rows, limit in ((1, None), (1024, None), (1, LIMIT)):
        most = formulas.saturation(short, {rows: 1.0})
        for offered in OFFERED:
            count = int((60_000 if rows == 1 else 10_000) * offered)
            series = _rows(rows) if limit is None else f"{_rows(rows)}, at most {limit} at the replica"
            traffic = _poisson(offered * most, {rows: 1.0}, count)
            yield Case("overload", series, offered, Fleet(short, limit=limit), traffic, rows)


def bulk(costs: Costs) -> list[tuple[int, float]]:
    """Cores and rows/s of a job whose workers share one wire of a machine."""
    found: list[tuple[int, float]] = []
    for workers in REPLICAS:
        crew = Crew(costs.bulk, workers, costs.row_seconds["flow64"], costs.storage.machine_bytes_per_second)
        found.append((workers, work(crew, 40 * workers, SEED).rate))
    return found


def _rows(rows: int) -> str:
    return f"{rows:,} row{'s' * (rows > 1)}"


def _closed(connections: int, rows: int) -> Callable[[np.random.Generator], Traffic]:
    return lambda _: Closed(connections, np.full(max(8_000, 8 * connections), rows))


def _poisson(rate: float, mix: Mapping[int, float], count: int) -> Callable[[np.random.Generator], Traffic]:
    return lambda generator: poisson(rate, sizes(mix, count, generator), generator)


def _point(case: Case, outcome: Outcome) -> Point:
    return Point(
        case.study,
        case.series,
        case.at,
        case.rows,
        case.fleet.proxies,
        case.fleet.limit,
        outcome.mean,
        outcome.quantile(0.5),
        outcome.quantile(0.99),
        outcome.requests_per_second,
        outcome.utilisation,
        outcome.batch_rows,
        outcome.longest,
    )
