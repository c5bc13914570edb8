"""Which replica a request goes to. A proxy knows only the requests that it has sent itself.

References:
    Mitzenmacher (2001), The power of two choices in randomized load balancing, IEEE TPDS 12(10).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol

import numpy as np

BLOCK: Final = 4096


class Router(Protocol):
    """Chooses, and hears when a request has been answered."""

    def choose(self, proxy: int) -> int:
        """The replica for the next request of a proxy."""
        ...

    def answered(self, proxy: int, replica: int) -> None:
        """One request fewer is there."""
        ...


class AtRandom:
    """Any replica, each as often."""

    def __init__(self, proxies: int, replicas: int, generator: np.random.Generator) -> None:  # noqa: ARG002
        self._dice = dice(replicas, generator)

    def choose(self, proxy: int) -> int:  # noqa: ARG002
        return next(self._dice)

    def answered(self, proxy: int, replica: int) -> None:
        pass


class InTurn:
    """One after the other; every proxy begins somewhere else."""

    def __init__(self, proxies: int, replicas: int, generator: np.random.Generator) -> None:
        self._replicas = replicas
        self._next: list[int] = generator.integers(replicas, size=proxies).tolist()

    def choose(self, proxy: int) -> int:
        chosen = self._next[proxy]
        self._next[proxy] = (chosen + 1) % self._replicas
        return chosen

    def answered(self, proxy: int, replica: int) -> None:
        pass


class BetterOfTwo:
    """Of two replicas at random the one where fewer requests of this proxy are."""

    def __init__(self, proxies: int, replicas: int, generator: np.random.Generator) -> None:
        self._dice = dice(replicas, generator)
        self._there = [[0] * replicas for _ in range(proxies)]

    def choose(self, proxy: int) -> int:
        there = self._there[proxy]
        one, other = next(self._dice), next(self._dice)
        chosen = one if there[one] <= there[other] else other
        there[chosen] += 1
        return chosen

    def answered(self, proxy: int, replica: int) -> None:
        self._there[proxy][replica] -= 1


class Fewest:
    """The replica where the fewest requests of this proxy are; of several, the one that it chose longest ago."""

    def __init__(self, proxies: int, replicas: int, generator: np.random.Generator) -> None:
        # Requests there, and in the fraction the order in which equals are chosen: one search finds both.
        self._there = generator.permuted(np.tile(np.arange(replicas) / 2**40, (proxies, 1)), axis=1)
        self._turn = replicas

    def choose(self, proxy: int) -> int:
        there = self._there[proxy]
        chosen = int(there.argmin())
        self._turn += 1
        there[chosen] = int(there[chosen]) + 1 + self._turn / 2**40
        return chosen

    def answered(self, proxy: int, replica: int) -> None:
        self._there[proxy, replica] -= 1


# Made of how many proxies, how many replicas, and what to draw from.
ROUTERS: Final[Mapping[str, Callable[[int, int, np.random.Generator], Router]]] = {
    "random": AtRandom,
    "in turn": InTurn,
    "two choices": BetterOfTwo,
    "fewest": Fewest,
}


def dice(sides: int, generator: np.random.Generator) -> Iterator[int]:
    """Numbers below `sides`, for ever."""
    while True:
        yield from generator.integers(sides, size=BLOCK).tolist()
