"""A call to the service as a generator of steps that does no I/O: a driver does each step and sends its result back.

Requests, retries and the reading of responses are therefore written once. `diffeo.client.client` and
`diffeo.client.async_client` each have a driver: one blocks, the other awaits.
"""

from collections.abc import Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from diffeo.density import Rows

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request."""

    method: str
    path: str
    query: Mapping[str, str | int | float] = field(default_factory=dict)
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SendRequest:
    """Close the open response, if there is one; send the request and wait for the head of its response.

    Attributes:
        seconds: time limit of the connection and of each read.
    """

    request: Request
    seconds: float


@dataclass(frozen=True, slots=True)
class ReadBytes:
    """Wait for the next bytes of the open response; empty bytes mean its end."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait for a number of seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class YieldRows:
    """Hand an array to the caller, who iterates over the rows of a stream."""

    rows: Rows


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """A response without its body; header names are case-insensitive."""

    status: int
    headers: Mapping[str, str]

    @property
    def is_error(self) -> bool:
        """True when the body is a problem document and not a result."""
        return self.status >= 400  # noqa: PLR2004  (HTTP's client and server errors)


@dataclass(frozen=True, slots=True)
class Response(ResponseHead):
    """A response with its whole body."""

    content: bytes


@dataclass(frozen=True, slots=True)
class TransportFailure:
    """The response did not arrive, or only a part of it did.

    Attributes:
        transient: a retry may succeed.
    """

    reason: str
    transient: bool


@dataclass(frozen=True, slots=True)
class Finished(Generic[T]):
    """The end of a call, with its result."""

    result: T


Step = SendRequest | ReadBytes | Sleep | YieldRows
StepResult = ResponseHead | bytes | TransportFailure | None
Steps = Generator[Step, StepResult, T]


def advance(steps: Steps[T], result: StepResult) -> Step | Finished[T]:
    """Send the result of the last step (None before the first) and return the next step, or the end of the call."""
    try:
        return steps.send(result)
    except StopIteration as end:
        return Finished(end.value)


def send(request: Request, seconds: float) -> Steps[ResponseHead | TransportFailure]:
    """Send a request and return the head of its response."""
    result = yield SendRequest(request, seconds)
    if isinstance(result, ResponseHead | TransportFailure):
        return result
    raise TypeError("a driver answers SendRequest with a ResponseHead or a TransportFailure")


def read_bytes() -> Steps[bytes | TransportFailure]:
    """Return the next bytes of the open response."""
    result = yield ReadBytes()
    if isinstance(result, bytes | TransportFailure):
        return result
    raise TypeError("a driver answers ReadBytes with bytes or a TransportFailure")


def collect_rows(steps: Steps[None]) -> Steps[list[Rows]]:
    """Run a streaming call to its end and return all arrays that it yields."""
    arrays: list[Rows] = []
    result: StepResult = None
    with suppress(StopIteration):
        while True:
            step = steps.send(result)
            if isinstance(step, YieldRows):
                arrays.append(step.rows)
                result = None
            else:
                result = yield step
    return arrays
