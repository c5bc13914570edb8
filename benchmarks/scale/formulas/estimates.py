"""Estimates by formula, without simulation: what a thousand replicas and 10^12 rows take, by kind of request."""

import math
from dataclasses import dataclass, replace
from typing import Final

from benchmarks.scale.costs.costs import BodyFormat, Costs, Gpu
from benchmarks.scale.formulas import formulas

BILLION: Final = 1e9
TRILLION: Final = 1e12
REPLICAS: Final = 1000
HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class Workload:
    """How rows arrive: in requests of a format, or as blocks of files if `body_format` is None."""

    name: str
    rows: int
    body_format: BodyFormat | None


FILES: Final = Workload("files, 1,000,000 rows a block", 1_000_000, None)
WORKLOADS: Final = (
    Workload("JSON, 1 row", 1, "json"),
    Workload("JSON, 64 rows", 64, "json"),
    Workload("JSON, 1,024 rows", 1024, "json"),
    Workload("npy, 1,024 rows", 1024, "npy"),
    Workload("npy, 100,000 rows", 100_000, "npy"),
    FILES,
)


@dataclass(frozen=True, slots=True)
class Estimate:
    """One workload on one graph.

    Attributes:
        core_rate: rows/s of one saturated replica.
        arithmetic: share of its core that computes the graph.
        per_proxy_core: number of replicas that one core of a proxy keeps busy; infinite without a proxy.
        per_python_proxy_core: the same for a proxy in Python.
        bytes_per_second: network traffic of one replica.
    """

    workload: Workload
    core_rate: float
    arithmetic: float
    per_proxy_core: float
    per_python_proxy_core: float
    bytes_per_second: float

    @property
    def core_hours(self) -> float:
        """Core hours of replicas and proxies for 10^9 rows."""
        return BILLION / self.core_rate * (1 + 1 / self.per_proxy_core) / HOUR

    def seconds(self, cores: float) -> float:
        """Time for 10^12 rows."""
        return TRILLION / (cores * self.core_rate)


def estimate_workload(costs: Costs, workload: Workload, graph: str = "flow64") -> Estimate:
    """Applies the formulas to one workload."""
    row_seconds = costs.row_seconds[graph]
    if workload.body_format is None:
        rate = formulas.bulk_core_rate(costs.bulk, row_seconds)
        return Estimate(workload, rate, rate * row_seconds, math.inf, math.inf, rate * costs.bulk.row_bytes)
    proxy, rows, body_format = costs.proxy, workload.rows, workload.body_format
    requests = formulas.saturation(costs.replica(graph, body_format), {rows: 1.0})
    rate = requests * rows
    python_proxy = replace(proxy, request_seconds=costs.python_proxy_seconds)
    return Estimate(
        workload,
        rate,
        rate * row_seconds,
        1 / (requests * proxy.seconds(rows, body_format)),
        1 / (requests * python_proxy.seconds(rows, body_format)),
        rate * proxy.row_bytes(body_format),
    )


@dataclass(frozen=True, slots=True)
class GpuEstimate:
    """One GPU with one graph; no GPU was measured.

    Attributes:
        rate: rows/s, by its roofline.
        limit: the part that limits it.
        bytes_per_second: rows in and answers out.
        parsing_cores: number of cores that must parse JSON to keep it busy.
        dollars: price of 10^9 rows.
    """

    gpu: Gpu
    graph: str
    rate: float
    limit: str
    bytes_per_second: float
    parsing_cores: float
    dollars: float


def estimate_gpus(costs: Costs) -> list[GpuEstimate]:
    """Every GPU with every graph."""
    found: list[GpuEstimate] = []
    for graph in costs.graphs.values():
        for gpu in costs.gpus:
            rate, limit = formulas.gpu_rate(gpu, graph, costs.bulk), formulas.gpu_limit(gpu, graph, costs.bulk)
            dollars = BILLION / rate * gpu.dollars_per_hour / HOUR
            parsing = rate * costs.read_seconds["json"]
            traffic = rate * costs.bulk.row_bytes
            found.append(GpuEstimate(gpu, graph.name, rate, limit, traffic, parsing, dollars))
    return found
