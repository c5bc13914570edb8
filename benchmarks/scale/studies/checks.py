"""Compares each formula with a simulation of the same case."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
from tqdm import tqdm

from benchmarks.scale.costs.costs import Costs, ReplicaCosts
from benchmarks.scale.costs.request_mix import MIX, Mix
from benchmarks.scale.formulas import formulas
from benchmarks.scale.simulation.bulk_job import BulkJob, simulate_job
from benchmarks.scale.simulation.simulation import Fleet, simulate
from benchmarks.scale.simulation.traffic import ClosedTraffic, OpenTraffic, Traffic, bursts, poisson, sizes

SEED: Final = 11
COUNT: Final = 40_000
LARGE_COUNT: Final = 160_000  # when a few requests wait very long, a mean needs more of them
ONE: Final[Mix] = {1: 1.0}
LARGE: Final[Mix] = {1024: 1.0}
BURST: Final = 8.0
CONNECTIONS: Final = 32
VALID_FOR: Final = {
    "idle_latency": "at most a chunk of rows",
    "unbatched_latency": "below saturation",
    "batched_latency": "upper bound; turns below a chunk",
    "closed_rate": "requests of equal size, one replica",
    "proxied_rate": "upper bound; many connections",
    "goodput": "a full queue",
    "random_sojourn": "exponential services",
    "two_choices_sojourn": "exponential services, very many replicas",
    "bulk_rate": "upper bound",
}


@dataclass(frozen=True, slots=True)
class Prediction:
    """The value of a formula for one case, and the simulation of that case.

    Attributes:
        formula: its name in formulas.py, a key of VALID_FOR.
        unit: unit of both values.
    """

    formula: str
    case: str
    unit: str
    expected: float
    simulate: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Check:
    """A prediction with the simulated value."""

    prediction: Prediction
    simulated: float

    @property
    def difference(self) -> float:
        """Relative difference of the simulation to the formula."""
        return self.simulated / self.prediction.expected - 1


def checks(costs: Costs) -> list[Check]:
    """Simulates every prediction."""
    found = tqdm(predictions(costs), desc="formulas", unit="formula")
    return [Check(prediction, prediction.simulate()) for prediction in found]


def predictions(costs: Costs) -> list[Prediction]:
    """All predictions. This simulates nothing."""
    replica = costs.replica()
    return [*_idle(replica), *_unbatched(replica), *_batched(replica), *_rates(costs), *_choices(), *_bulk(costs)]


def _idle(replica: ReplicaCosts) -> Iterator[Prediction]:
    for rows in (1, 1024):
        expected = formulas.idle_latency(replica, rows)
        traffic = OpenTraffic(10 * expected * np.arange(100.0), np.full(100, rows))
        yield _latency("idle_latency", f"{_rows(rows)}, idle replica", expected, Fleet(replica), traffic)


def _unbatched(replica: ReplicaCosts) -> Iterator[Prediction]:
    fleet = Fleet(replica, gather=1)
    maximum = 1 / formulas.idle_latency(replica, 1)
    for name, mix, load, rate in (
        ("1 row, M/D/1", ONE, 0.5, 0.5 * maximum),
        ("1 row, M/D/1", ONE, 0.8, 0.8 * maximum),
        ("the mix, M/G/1", MIX, 0.7, 0.7 / formulas.unbatched_latency(replica, MIX, 0.0)),
    ):
        expected = formulas.unbatched_latency(replica, mix, rate)
        case = f"one request per turn, {name}, load {load:.0%}"
        yield _latency("unbatched_latency", case, expected, fleet, _poisson(rate, mix, LARGE_COUNT))
    expected = formulas.unbatched_latency(replica, ONE, 0.6 * maximum, BURST)
    traffic = bursts(0.6 * maximum, BURST, np.full(LARGE_COUNT, 1), _generator())
    case = "one request per turn, 1 row, bursts of 8, load 60%"
    yield _latency("unbatched_latency", case, expected, fleet, traffic)


def _batched(replica: ReplicaCosts) -> Iterator[Prediction]:
    # The formula has no chunks. Requests of 1,024 rows would fill a chunk now and then.
    wide = replace(replica, chunk_rows=2**20)
    for name, mix, load in (("1 row", ONE, 0.3), ("1 row", ONE, 0.6), ("1 row", ONE, 0.9), ("the mix", MIX, 0.8)):
        rate = load * formulas.saturation(wide, mix)
        expected = formulas.batched_latency(wide, mix, rate)
        case = f"batched, {name}, load {load:.0%}"
        yield _latency("batched_latency", case, expected, Fleet(wide), _poisson(rate, mix, LARGE_COUNT))


def _rates(costs: Costs) -> Iterator[Prediction]:
    replica = costs.replica()
    for rows, replicas in ((1, 1), (64, 1), (1024, 1), (1, 10)):
        expected = replicas * formulas.closed_rate(replica, rows, CONNECTIONS)
        case = f"{_rows(rows)}, {CONNECTIONS} connections per replica, replicas: {replicas}"
        yield _rate("closed_rate", case, expected, Fleet(replica, replicas, "fewest"), _closed(replicas, rows))
    seconds = costs.proxy.seconds(1, "json")
    expected = formulas.proxied_rate(formulas.closed_rate(replica, 1, CONNECTIONS), 100, seconds, 1)
    fleet = Fleet(replica, 100, "two choices", 1, costs.proxy)
    yield _rate("proxied_rate", "1 row, one proxy core, replicas: 100", expected, fleet, _closed(100, 1))
    short = replace(replica, queue_rows=20_000)
    rate = 2 * formulas.saturation(short, LARGE)
    case = "1,024 rows, twice the saturation of a replica"
    yield _rate("goodput", case, formulas.goodput(short, LARGE, rate), Fleet(short), _poisson(rate, LARGE, COUNT))


def _choices() -> Iterator[Prediction]:
    # A geometric number of rows with mean 1000, and no cost but arithmetic: an exponential service with mean 1.
    service = ReplicaCosts(0.0, 0.0, 0.0, 1e-3, chunk_rows=2**40, inline_seconds=1e9)
    load, replicas = 0.8, 300
    generator = _generator()
    traffic = poisson(load * replicas, generator.geometric(1e-3, size=LARGE_COUNT), generator)
    for policy, formula in (("random", formulas.random_sojourn), ("two choices", formulas.two_choices_sojourn)):
        fleet = Fleet(service, replicas, policy, gather=1)
        case = f"{policy}, load {load:.0%}, replicas: {replicas}"
        yield Prediction(formula.__name__, case, "services", formula(load), partial(_mean, fleet, traffic))


def _bulk(costs: Costs) -> Iterator[Prediction]:
    row_seconds, link = costs.row_seconds["flow64"], costs.storage.machine_bytes_per_second
    for cores in (16, 1000):
        expected = formulas.bulk_rate(costs.bulk, row_seconds, cores, link)
        job = BulkJob(costs.bulk, cores, row_seconds, link)
        case = f"blocks over one link of 10 Gbit/s, cores: {cores}"
        yield Prediction("bulk_rate", case, "rows/s", expected, partial(_job_rate, job))


def _latency(formula: str, case: str, expected: float, fleet: Fleet, traffic: Traffic) -> Prediction:
    return Prediction(formula, case, "ms", 1e3 * expected, lambda: 1e3 * _mean(fleet, traffic))


def _rate(formula: str, case: str, expected: float, fleet: Fleet, traffic: Traffic) -> Prediction:
    return Prediction(formula, case, "1/s", expected, lambda: simulate(fleet, traffic, SEED).requests_per_second)


def _mean(fleet: Fleet, traffic: Traffic) -> float:
    return simulate(fleet, traffic, SEED).mean


def _job_rate(job: BulkJob) -> float:
    return simulate_job(job, 40 * job.workers, SEED).rate


def _poisson(rate: float, mix: Mix, count: int) -> OpenTraffic:
    generator = _generator()
    return poisson(rate, sizes(mix, count, generator), generator)


def _closed(replicas: int, rows: int) -> ClosedTraffic:
    return ClosedTraffic(CONNECTIONS * replicas, np.full(COUNT, rows))


def _generator() -> np.random.Generator:
    return np.random.default_rng((SEED, 1))


def _rows(rows: int) -> str:
    return f"{rows:,} row{'s' * (rows > 1)}"
