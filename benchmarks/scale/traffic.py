"""Requests before they are routed: when each comes and how many rows it brings. The same seed, the same requests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.float64]
Sizes = npt.NDArray[np.int64]

# Share of requests by rows: many single rows, some tables. An assumption; measure your own.
MIX: Final[Mapping[int, float]] = {1: 0.6, 64: 0.3, 1024: 0.1}


@dataclass(frozen=True, slots=True)
class Open:
    """Requests that come whatever becomes of the others.

    Attributes:
        times: when each comes, ascending, seconds.
        rows: how many it brings.
    """

    times: Times
    rows: Sizes


@dataclass(frozen=True, slots=True)
class Closed:
    """Connections that send the next request when the last is answered, as wrk does.

    Attributes:
        connections: how many.
        rows: of the first, second, ... request, whichever connection sends it.
    """

    connections: int
    rows: Sizes


Traffic = Open | Closed


def sizes(mix: Mapping[int, float], count: int, generator: np.random.Generator) -> Sizes:
    """Rows of `count` requests."""
    shares = np.array(list(mix.values()))
    return generator.choice(np.array(list(mix)), size=count, p=shares / shares.sum())


def poisson(rate: float, rows: Sizes, generator: np.random.Generator) -> Open:
    """Requests that know nothing of each other, `rate` a second."""
    return Open(np.cumsum(generator.exponential(1 / rate, len(rows))), rows)


def bursts(rate: float, mean: float, rows: Sizes, generator: np.random.Generator) -> Open:
    """`rate` requests a second that come in bursts: geometric sizes of this mean, Poisson in time."""
    found = generator.geometric(1 / mean, size=len(rows))
    times = np.cumsum(generator.exponential(mean / rate, len(rows)))
    return Open(np.repeat(times, found)[: len(rows)], rows)


def mean_rows(mix: Mapping[int, float]) -> float:
    """Of one request."""
    return sum(rows * share for rows, share in mix.items()) / sum(mix.values())
