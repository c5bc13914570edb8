"""The simulation runs of the report, as data. All runs use one seed, so each can be repeated alone."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from tqdm import tqdm

from benchmarks.scale.costs.costs import Costs, ReplicaCosts
from benchmarks.scale.costs.request_mix import MIX, Mix
from benchmarks.scale.formulas import formulas
from benchmarks.scale.simulation.bulk_job import BulkJob, simulate_job
from benchmarks.scale.simulation.simulation import Fleet, Outcome, simulate
from benchmarks.scale.simulation.traffic import ClosedTraffic, Traffic, poisson, sizes

SEED: Final = 7
REPLICAS: Final = (1, 3, 10, 30, 100, 300, 1000)
LOAD: Final = 0.8  # share of saturation at which routing policies are compared
LOADS: Final = (0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9, 0.95)
OVERLOADS: Final = (0.5, 0.8, 1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0)
PROXIES: Final = (1, 16, 256)
CONNECTIONS: Final = 16  # per replica
LIMIT: Final = 64  # requests at one replica, for a proxy with a limit
SHORT_QUEUE: Final = 20_000  # rows; it fills at once, so that overload shows early
POLICIES: Final = (
    ("random", 1),
    ("in turn", 1),
    ("two choices", 1),
    ("fewest", 1),
    ("two choices", 64),
    ("fewest", 64),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One run.

    Attributes:
        study: the study that it belongs to.
        series: its line in the plot.
        at: its position on the line: replicas, requests per second, or a multiple of saturation.
        rows: rows of every request; 0 is the mix.
    """

    study: str
    series: str
    at: float
    fleet: Fleet
    traffic: Callable[[np.random.Generator], Traffic]
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """The result of a run; times in seconds."""

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
    longest_queue: int


def run_cases(cases: Sequence[Case]) -> list[Point]:
    """Runs all cases."""
    return [_point(case, run(case)) for case in tqdm(cases, desc="simulation", unit="run")]


def run(case: Case) -> Outcome:
    """Runs one case."""
    # The traffic has a separate random stream, so that the router's random numbers are independent of it.
    return simulate(case.fleet, case.traffic(np.random.default_rng((SEED, 1))), SEED)


def all_cases(costs: Costs) -> list[Case]:
    """The cases of every study."""
    replica = costs.replica()
    return [*throughput(costs), *policies(replica), *batching(replica), *overload(replica)]


def throughput(costs: Costs) -> Iterable[Case]:
    """Closed traffic through one proxy core and through more."""
    for rows, cores in ((1, PROXIES), (1024, PROXIES[:2])):
        for proxies in cores:
            for replicas in REPLICAS:
                fleet = Fleet(costs.replica(), replicas, "two choices", proxies, costs.proxy)
                series = f"{_rows(rows)}, {proxies} proxy core{'s' * (proxies > 1)}"
                yield Case("throughput", series, replicas, fleet, _closed(CONNECTIONS * replicas, rows), rows)


def policies(replica: ReplicaCosts) -> Iterable[Case]:
    """Each routing policy with the mix at one load; proxies cost nothing."""
    rate = LOAD * formulas.saturation(replica, MIX)
    for policy, proxies in POLICIES:
        for replicas in REPLICAS:
            fleet = Fleet(replica, replicas, policy, proxies)
            series = policy if proxies == 1 else f"{policy}, {proxies} proxies"
            count = max(40_000, 160 * replicas)
            yield Case("policies", series, replicas, fleet, _poisson(rate * replicas, MIX, count))


def batching(replica: ReplicaCosts) -> Iterable[Case]:
    """Single rows on one replica, with batching and with one request per turn."""
    batched_rate = formulas.saturation(replica, {1: 1.0})
    unbatched_rate = 1 / formulas.idle_latency(replica, 1)
    for series, gather, rate in (("batched", None, batched_rate), ("one request per turn", 1, unbatched_rate)):
        for load in LOADS:
            fleet = Fleet(replica, gather=gather)
            yield Case("batching", series, load * rate, fleet, _poisson(load * rate, {1: 1.0}, 30_000), 1)


def overload(replica: ReplicaCosts) -> Iterable[Case]:
    """Up to four times the rate that saturates one replica."""
    short = replace(replica, queue_rows=SHORT_QUEUE)
    for rows, limit in ((1, None), (1024, None), (1, LIMIT)):
        saturation = formulas.saturation(short, {rows: 1.0})
        for multiple in OVERLOADS:
            count = int((60_000 if rows == 1 else 10_000) * multiple)
            series = _rows(rows) if limit is None else f"{_rows(rows)}, at most {limit} at the replica"
            traffic = _poisson(multiple * saturation, {rows: 1.0}, count)
            yield Case("overload", series, multiple, Fleet(short, limit=limit), traffic, rows)


def bulk(costs: Costs) -> list[tuple[int, float]]:
    """Cores and rows/s of a job whose workers share one network link."""
    found: list[tuple[int, float]] = []
    for workers in REPLICAS:
        job = BulkJob(costs.bulk, workers, costs.row_seconds["flow64"], costs.storage.machine_bytes_per_second)
        found.append((workers, simulate_job(job, 40 * workers, SEED).rate))
    return found


def _rows(rows: int) -> str:
    return f"{rows:,} row{'s' * (rows > 1)}"


def _closed(connections: int, rows: int) -> Callable[[np.random.Generator], Traffic]:
    return lambda _: ClosedTraffic(connections, np.full(max(8_000, 8 * connections), rows))


def _poisson(rate: float, mix: Mix, count: int) -> Callable[[np.random.Generator], Traffic]:
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
        outcome.longest_queue,
    )
