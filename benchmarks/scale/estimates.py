"""Worked out, not simulated: what a thousand replicas and 10^12 rows take, by the way of asking."""

import math
from dataclasses import dataclass, replace
from typing import Final

from benchmarks.scale import formulas
from benchmarks.scale.costs import Card, Costs, Form

BILLION: Final = 1e9
TRILLION: Final = 1e12
REPLICAS: Final = 1000
HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class Way:
    """How rows come: in requests of a form, or as blocks of files, where `form` is None."""

    name: str
    rows: int
    form: Form | None


BULK: Final = Way("files, 1,000,000 rows a block", 1_000_000, None)
WAYS: Final = (
    Way("JSON, 1 row", 1, "json"),
    Way("JSON, 64 rows", 64, "json"),
    Way("JSON, 1,024 rows", 1024, "json"),
    Way("npy, 1,024 rows", 1024, "npy"),
    Way("npy, 100,000 rows", 100_000, "npy"),
    BULK,
)


@dataclass(frozen=True, slots=True)
class Estimate:
    """One way of asking one graph.

    Attributes:
        core_rate: rows/s of one replica, saturated.
        arithmetic: the share of its core that computes the graph.
        fed: replicas that one core of a proxy keeps busy; without a proxy, infinite.
        fed_by_python: the same of a proxy in Python.
        wire: bytes a second of one replica.
    """

    way: Way
    core_rate: float
    arithmetic: float
    fed: float
    fed_by_python: float
    wire: float

    @property
    def core_hours(self) -> float:
        """Of replicas and their proxies, for 10^9 rows."""
        return BILLION / self.core_rate * (1 + 1 / self.fed) / HOUR

    def seconds(self, cores: float) -> float:
        """For 10^12 rows."""
        return TRILLION / (cores * self.core_rate)


def estimate(costs: Costs, way: Way, graph: str = "flow64") -> Estimate:
    """By the formulas."""
    row_seconds = costs.row_seconds[graph]
    if way.form is None:
        rate = formulas.bulk_core_rate(costs.bulk, row_seconds)
        return Estimate(way, rate, rate * row_seconds, math.inf, math.inf, rate * costs.bulk.row_bytes)
    proxy = costs.proxy
    requests = formulas.saturation(costs.replica(graph, way.form), {way.rows: 1.0})
    row_bytes = proxy.json_row_bytes if way.form == "json" else proxy.npy_row_bytes
    rate = requests * way.rows
    fed = 1 / (requests * proxy.seconds(way.rows, way.form))
    in_python = replace(proxy, request_seconds=costs.python_proxy_seconds)
    fed_by_python = 1 / (requests * in_python.seconds(way.rows, way.form))
    return Estimate(way, rate, rate * row_seconds, fed, fed_by_python, rate * row_bytes)


@dataclass(frozen=True, slots=True)
class CardEstimate:
    """One card over one graph; no card was measured.

    Attributes:
        rate: rows/s, by its roofline.
        limit: what the roofline is there.
        wire: bytes a second that it takes and gives.
        parsing: cores that parse JSON to keep it busy.
        dollars: for 10^9 rows.
    """

    card: Card
    graph: str
    rate: float
    limit: str
    wire: float
    parsing: float
    dollars: float


def card_estimates(costs: Costs) -> list[CardEstimate]:
    """Every card over every graph."""
    found: list[CardEstimate] = []
    for graph in costs.graphs.values():
        for card in costs.cards:
            rate, limit = formulas.card_rate(card, graph, costs.bulk), formulas.card_limit(card, graph, costs.bulk)
            paid = BILLION / rate * card.dollars_per_hour / HOUR
            parsing = rate * costs.read_seconds["json"]
            found.append(CardEstimate(card, graph.name, rate, limit, rate * costs.bulk.row_bytes, parsing, paid))
    return found
