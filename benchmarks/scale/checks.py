"""Each formula beside a simulation of what it speaks of: what was expected, what came, and where it holds."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
from tqdm import tqdm

from benchmarks.scale import formulas
from benchmarks.scale.costs import Costs, ReplicaCosts
from benchmarks.scale.crew import Crew, work
from benchmarks.scale.simulation import Fleet, simulate
from benchmarks.scale.traffic import MIX, Closed, Open, Traffic, bursts, poisson, sizes

SEED: Final = 11
COUNT: Final = 40_000
MANY: Final = 160_000  # where a few requests wait very long, a mean needs more of them
ONE: Final[Mapping[int, float]] = {1: 1.0}
LARGE: Final[Mapping[int, float]] = {1024: 1.0}
BURST: Final = 8.0
CONNECTIONS: Final = 32
HOLDS: Final = {
    "idle_latency": "at most a chunk of rows",
    "unbatched_latency": "below saturation",
    "batched_latency": "from above; turns below a chunk",
    "closed_rate": "equal requests, one replica",
    "proxied_rate": "from above; many connections",
    "goodput": "the queue is full",
    "random_sojourn": "exponential services",
    "two_choices_sojourn": "exponential services, very many replicas",
    "bulk_rate": "from above",
}


@dataclass(frozen=True, slots=True)
class Claim:
    """What a formula says of a case, and how to try it.

    Attributes:
        formula: its name in formulas.py, and a key of HOLDS.
        unit: of both figures.
    """

    formula: str
    case: str
    unit: str
    expected: float
    simulate: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Check:
    """A claim that was tried."""

    claim: Claim
    simulated: float

    @property
    def difference(self) -> float:
        """Of the simulation to the formula, relative."""
        return self.simulated / self.claim.expected - 1


def checks(costs: Costs) -> list[Check]:
    """Every claim, tried."""
    return [Check(claim, claim.simulate()) for claim in tqdm(claims(costs), desc="formulas", unit="formula")]


def claims(costs: Costs) -> list[Claim]:
    """Nothing is simulated yet."""
    replica = costs.replica()
    return [*_alone(replica), *_unbatched(replica), *_batched(replica), *_rates(costs), *_choices(), *_bulk(costs)]


def _alone(replica: ReplicaCosts) -> Iterator[Claim]:
    for rows in (1, 1024):
        expected = formulas.idle_latency(replica, rows)
        traffic = Open(10 * expected * np.arange(100.0), np.full(100, rows))
        yield _latency("idle_latency", f"{_rows(rows)}, nobody else", expected, Fleet(replica), traffic)


def _unbatched(replica: ReplicaCosts) -> Iterator[Claim]:
    fleet = Fleet(replica, gather=1)
    alone = 1 / formulas.idle_latency(replica, 1)
    for name, mix, load, rate in (
        ("1 row, M/D/1", ONE, 0.5, 0.5 * alone),
        ("1 row, M/D/1", ONE, 0.8, 0.8 * alone),
        ("the mix, M/G/1", MIX, 0.7, 0.7 / formulas.unbatched_latency(replica, MIX, 0.0)),
    ):
        expected = formulas.unbatched_latency(replica, mix, rate)
        case = f"a turn each, {name}, load {load:.0%}"
        yield _latency("unbatched_latency", case, expected, fleet, _poisson(rate, mix, MANY))
    expected = formulas.unbatched_latency(replica, ONE, 0.6 * alone, BURST)
    traffic = bursts(0.6 * alone, BURST, np.full(MANY, 1), _generator())
    yield _latency("unbatched_latency", "a turn each, 1 row, bursts of 8, load 60%", expected, fleet, traffic)


def _batched(replica: ReplicaCosts) -> Iterator[Claim]:
    # The formula knows no chunks; 1,024 rows of the mix would fill one now and then.
    wide = replace(replica, chunk_rows=2**20)
    for name, mix, load in (("1 row", ONE, 0.3), ("1 row", ONE, 0.6), ("1 row", ONE, 0.9), ("the mix", MIX, 0.8)):
        rate = load * formulas.saturation(wide, mix)
        expected = formulas.batched_latency(wide, mix, rate)
        case = f"in the batcher, {name}, load {load:.0%}"
        yield _latency("batched_latency", case, expected, Fleet(wide), _poisson(rate, mix, MANY))


def _rates(costs: Costs) -> Iterator[Claim]:
    replica = costs.replica()
    for rows, replicas in ((1, 1), (64, 1), (1024, 1), (1, 10)):
        expected = replicas * formulas.closed_rate(replica, rows, CONNECTIONS)
        case = f"{_rows(rows)}, {CONNECTIONS} connections a replica, replicas: {replicas}"
        yield _rate("closed_rate", case, expected, Fleet(replica, replicas, "fewest"), _closed(replicas, rows))
    seconds = costs.proxy.seconds(1, "json")
    expected = formulas.proxied_rate(formulas.closed_rate(replica, 1, CONNECTIONS), 100, seconds, 1)
    fleet = Fleet(replica, 100, "two choices", 1, costs.proxy)
    yield _rate("proxied_rate", "1 row, one proxy core, replicas: 100", expected, fleet, _closed(100, 1))
    short = replace(replica, queue_rows=20_000)
    rate = 2 * formulas.saturation(short, LARGE)
    case = "1,024 rows, twice what saturates a replica"
    yield _rate("goodput", case, formulas.goodput(short, LARGE, rate), Fleet(short), _poisson(rate, LARGE, COUNT))


def _choices() -> Iterator[Claim]:
    # Geometric rows, a thousand in the mean, and nothing but arithmetic: an exponential service of mean one.
    service = ReplicaCosts(0.0, 0.0, 0.0, 1e-3, chunk_rows=2**40, inline_seconds=1e9)
    load, replicas = 0.8, 300
    generator = _generator()
    traffic = poisson(load * replicas, generator.geometric(1e-3, size=MANY), generator)
    for policy, formula in (("random", formulas.random_sojourn), ("two choices", formulas.two_choices_sojourn)):
        fleet = Fleet(service, replicas, policy, gather=1)
        case = f"{policy}, load {load:.0%}, replicas: {replicas}"
        yield Claim(formula.__name__, case, "services", formula(load), partial(_mean, fleet, traffic))


def _bulk(costs: Costs) -> Iterator[Claim]:
    row_seconds, wire = costs.row_seconds["flow64"], costs.storage.machine_bytes_per_second
    for cores in (16, 1000):
        expected = formulas.bulk_rate(costs.bulk, row_seconds, cores, wire)
        crew = Crew(costs.bulk, cores, row_seconds, wire)
        case = f"blocks over one wire of 10 Gbit/s, cores: {cores}"
        yield Claim("bulk_rate", case, "rows/s", expected, partial(_work, crew))


def _latency(formula: str, case: str, expected: float, fleet: Fleet, traffic: Traffic) -> Claim:
    return Claim(formula, case, "ms", 1e3 * expected, lambda: 1e3 * _mean(fleet, traffic))


def _rate(formula: str, case: str, expected: float, fleet: Fleet, traffic: Traffic) -> Claim:
    return Claim(formula, case, "1/s", expected, lambda: simulate(fleet, traffic, SEED).requests_per_second)


def _mean(fleet: Fleet, traffic: Traffic) -> float:
    return simulate(fleet, traffic, SEED).mean


def _work(crew: Crew) -> float:
    return work(crew, 40 * crew.workers, SEED).rate


def _poisson(rate: float, mix: Mapping[int, float], count: int) -> Open:
    generator = _generator()
    return poisson(rate, sizes(mix, count, generator), generator)


def _closed(replicas: int, rows: int) -> Closed:
    return Closed(CONNECTIONS * replicas, np.full(COUNT, rows))


def _generator() -> np.random.Generator:
    return np.random.default_rng((SEED, 1))


def _rows(rows: int) -> str:
    return f"{rows:,} row{'s' * (rows > 1)}"
