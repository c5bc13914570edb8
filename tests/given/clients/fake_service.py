"""A service played to the steps of a call, without a line: what it answers is a function, and time is a number."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from diffeo.bundle import npy
from diffeo.client.retries import Endpoint
from diffeo.client.steps import Give, Head, Lost, Open, Outcome, Read, Request, Steps, Wait

T = TypeVar("T")
Serve = Callable[[Request], Iterator[Outcome]]


@dataclass
class Stage:
    """Takes the steps of calls; keeps what was asked, how long was waited, and what was given."""

    serve: Serve
    now: float = 0.0
    requests: list[Request] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    given: list[np.ndarray] = field(default_factory=list)

    def endpoint(self, seconds: float = 60.0, retries: int = 5, chance: float = 0.5) -> Endpoint:
        return Endpoint("http://service.test", seconds, retries, lambda: self.now, lambda: chance)

    def play(self, steps: Steps[T]) -> T:
        outcome: Outcome = None
        answer: Iterator[Outcome] = iter(())
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                return end.value
            match step:
                case Open():
                    self.requests.append(step.request)
                    answer = self.serve(step.request)
                    outcome = next(answer)
                case Read():
                    outcome = next(answer, b"")
                case Wait():
                    self.pauses.append(step.seconds)
                    self.now += step.seconds
                    outcome = None
                case Give():
                    self.given.append(step.rows)
                    outcome = None


def in_turn(*answers: tuple[Outcome, ...]) -> Serve:
    """One answer after the other, whatever is asked; the last one for good."""
    left = list(answers)
    return lambda _: iter(left.pop(0) if len(left) > 1 else left[0])


def problem(status: int, **headers: str) -> tuple[Outcome, ...]:
    return Head(status, {name.replace("_", "-"): value for name, value in headers.items()}), b"<html>"


def rows(seed: int, start: int, count: int) -> np.ndarray:
    """Rows that tell which they are."""
    numbers = np.arange(start, start + count)
    return np.stack([numbers, numbers % 7 + seed], axis=1).astype(np.float32)


def sample(request: Request, limit: int = 2**53, version: str = "1") -> Iterator[Outcome]:
    """A service that draws `rows` for /sample, at most `limit` in one answer."""
    query = request.query
    count = int(query["num_samples"])
    if count > limit:
        yield from problem(413)
        return
    yield Head(200, {"diffeo-version": version})
    yield npy.write(rows(int(query["seed"]), int(query["start"]), count))


LOST = (Lost("the line is dead", passing=True),)
