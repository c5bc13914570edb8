"""A driver for the steps of the client without a network: a function is the service, and a number is the clock."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeVar

import numpy as np

from diffeo.bundle import npy
from diffeo.client.retries import RemoteService
from diffeo.client.steps import (
    Finished,
    ReadBytes,
    Request,
    ResponseHead,
    SendRequest,
    Sleep,
    StepResult,
    Steps,
    TransportFailure,
    YieldRows,
    advance,
)
from diffeo.density import Rows

T = TypeVar("T")
# Yields the head of the response to a request, then its body, one block after the other.
Serve = Callable[[Request], Iterator[StepResult]]

OK: Final = ResponseHead(200, {})
BROKEN: Final = TransportFailure("the connection is broken", transient=True)


@dataclass
class FakeDriver:
    """Does the steps of calls; keeps the requests, the seconds of each sleep, and the yielded arrays."""

    serve: Serve
    now: float = 0.0
    requests: list[Request] = field(default_factory=list)
    sleeps: list[float] = field(default_factory=list)
    yielded: list[Rows] = field(default_factory=list)

    def service(self, seconds: float = 60.0, retries: int = 5, uniform: float = 0.5) -> RemoteService:
        """The service that this driver replaces; its random numbers all have the value `uniform`."""
        return RemoteService("http://service.test", seconds, retries, lambda: self.now, lambda: uniform)

    def run(self, steps: Steps[T]) -> T:
        response: Iterator[StepResult] = iter(())
        result: StepResult = None
        while not isinstance(step := advance(steps, result), Finished):
            result = None
            match step:
                case SendRequest():
                    self.requests.append(step.request)
                    response = self.serve(step.request)
                    result = next(response)
                case ReadBytes():
                    result = next(response, b"")
                case Sleep():
                    self.sleeps.append(step.seconds)
                    self.now += step.seconds
                case YieldRows():
                    self.yielded.append(step.rows)
        return step.result


def in_order(*responses: tuple[StepResult, ...]) -> Serve:
    """A service that gives one response after the other, whatever the request is, and then repeats the last one."""
    remaining = list(responses)
    return lambda _: iter(remaining.pop(0) if len(remaining) > 1 else remaining[0])


def error_response(status: int, **headers: str) -> tuple[StepResult, ...]:
    """A response with this status, and a body that is no problem document."""
    return ResponseHead(status, {name.replace("_", "-"): value for name, value in headers.items()}), b"<html>"


def numbered_rows(seed: int, start: int, count: int) -> Rows:
    """Rows [count, 2] that each contain their own number."""
    numbers = np.arange(start, start + count)
    return np.stack([numbers, numbers % 7 + seed], axis=1).astype(np.float32)


def serve_sample(request: Request, limit: int = 2**53, version: str = "1") -> Iterator[StepResult]:
    """Answers /sample with `numbered_rows`, and with 413 when more than `limit` rows are requested."""
    query = request.query
    count = int(query["num_samples"])
    if count > limit:
        yield from error_response(413)
        return
    yield ResponseHead(200, {"diffeo-version": version})
    yield npy.write(numbered_rows(int(query["seed"]), int(query["start"]), count))
