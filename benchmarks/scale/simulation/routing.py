"""Routing policies: which replica gets a request. A proxy counts only the requests that it has sent itself.

References:
    Mitzenmacher (2001), The power of two choices in randomized load balancing, IEEE TPDS 12(10).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol

import numpy as np

DRAWN_AT_ONCE: Final = 4096


class Router(Protocol):
    """Chooses replicas, and is notified of answers."""

    def choose(self, proxy: int) -> int:
        """The replica for the next request of a proxy."""
        ...

    def on_answer(self, proxy: int, replica: int) -> None:
        """The replica has answered a request of the proxy."""
        ...


class RandomRouter:
    """Any replica, with equal probability."""

    def __init__(self, proxies: int, replicas: int, generator: np.random.Generator) -> None:  # noqa: ARG002
        self._random = random_numbers(replicas, generator)

    def choose(self, proxy: int) -> int:  # noqa: ARG002
        return next(self._random)

    def on_answer(self, proxy: int, replica: int) -> None:
        pass


class RoundRobinRouter:
    """One replica after the other; every proxy begins at a random replica."""

    def __init__(self, proxies: int, replicas: int, generator: np.random.Generator) -> None:
        self._replicas = replicas
        self._next: list[int] = generator.integers(replicas, size=proxies).tolist()

    def choose(self, proxy: int) -> int:
        chosen = self._next[proxy]
        self._next[proxy] = (chosen + 1) % self._replicas
        return chosen

    def on_answer(self, proxy: int, replica: int) -> None:
        pass


class TwoChoicesRouter:
    """The one of two random replicas that has fewer requests of this proxy."""

    def __init__(self, proxies: int, replicas: int, generator: np.random.Generator) -> None:
        self._random = random_numbers(replicas, generator)
        self._requests = [[0] * replicas for _ in range(proxies)]

    def choose(self, proxy: int) -> int:
        requests = self._requests[proxy]
        one, other = next(self._random), next(self._random)
        chosen = one if requests[one] <= requests[other] else other
        requests[chosen] += 1
        return chosen

    def on_answer(self, proxy: int, replica: int) -> None:
        self._requests[proxy][replica] -= 1


class FewestRouter:
    """The replica with the fewest requests of this proxy; among equals the one that it chose longest ago."""

    def __init__(self, proxies: int, replicas: int, generator: np.random.Generator) -> None:
        # The integer part counts requests, the fraction orders equals by their last choice. One argmin uses both.
        self._requests = generator.permuted(np.tile(np.arange(replicas) / 2**40, (proxies, 1)), axis=1)
        self._choices = replicas

    def choose(self, proxy: int) -> int:
        requests = self._requests[proxy]
        chosen = int(requests.argmin())
        self._choices += 1
        requests[chosen] = int(requests[chosen]) + 1 + self._choices / 2**40
        return chosen

    def on_answer(self, proxy: int, replica: int) -> None:
        self._requests[proxy, replica] -= 1


# Arguments: number of proxies, number of replicas, source of random numbers.
ROUTERS: Final[Mapping[str, Callable[[int, int, np.random.Generator], Router]]] = {
    "random": RandomRouter,
    "in turn": RoundRobinRouter,
    "two choices": TwoChoicesRouter,
    "fewest": FewestRouter,
}


def random_numbers(below: int, generator: np.random.Generator) -> Iterator[int]:
    """Endless random integers from 0 to below - 1."""
    while True:
        yield from generator.integers(below, size=DRAWN_AT_ONCE).tolist()
