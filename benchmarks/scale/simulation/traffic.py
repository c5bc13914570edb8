"""The requests of a simulation: when each arrives and how many rows it has. The same seed gives the same requests."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.scale.costs.request_mix import Mix

Times = npt.NDArray[np.float64]
Sizes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class OpenTraffic:
    """Requests that arrive at given times, whether or not earlier requests were answered.

    Attributes:
        times: arrival times in seconds, ascending.
        rows: rows of each request.
    """

    times: Times
    rows: Sizes


@dataclass(frozen=True, slots=True)
class ClosedTraffic:
    """Connections that send the next request when they get the response to the last one, as wrk does.

    Attributes:
        connections: number of connections.
        rows: rows of the first, second, ... request, whichever connection sends it.
    """

    connections: int
    rows: Sizes


Traffic = OpenTraffic | ClosedTraffic


def sizes(mix: Mix, count: int, generator: np.random.Generator) -> Sizes:
    """Random rows of `count` requests of this mix."""
    shares = np.array(list(mix.values()))
    return generator.choice(np.array(list(mix)), size=count, p=shares / shares.sum())


def poisson(rate: float, rows: Sizes, generator: np.random.Generator) -> OpenTraffic:
    """Independent requests, `rate` per second on average."""
    return OpenTraffic(np.cumsum(generator.exponential(1 / rate, len(rows))), rows)


def bursts(rate: float, mean: float, rows: Sizes, generator: np.random.Generator) -> OpenTraffic:
    """`rate` requests per second in bursts of geometric size with this mean; the bursts are a Poisson process."""
    burst_sizes = generator.geometric(1 / mean, size=len(rows))
    times = np.cumsum(generator.exponential(mean / rate, len(rows)))
    return OpenTraffic(np.repeat(times, burst_sizes)[: len(rows)], rows)
