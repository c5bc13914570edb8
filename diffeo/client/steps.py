"""What a call does, one step at a time, without doing it: a driver takes each step and hands back what came of it.

So what is sent, how an answer is read and when it is asked for again are written once; `diffeo.client.client` and
`diffeo.client.async_client` differ in `await` alone.
"""

from collections.abc import Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from diffeo.density import Rows

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """One request."""

    method: str
    path: str
    query: Mapping[str, str | int | float] = field(default_factory=dict)
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Open:
    """Send a request and wait for the head of its answer; an answer that is open still is let go."""

    request: Request
    seconds: float


@dataclass(frozen=True, slots=True)
class Read:
    """Wait for the next bytes of the open answer; none are its end."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Let time pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Give:
    """Hand an array to the caller, who takes one after the other."""

    rows: Rows


@dataclass(frozen=True, slots=True)
class Head:
    """An answer before its body; the names of headers are in any case."""

    status: int
    headers: Mapping[str, str]

    @property
    def refused(self) -> bool:
        """True where the body is a problem instead of a result."""
        return self.status >= 400  # noqa: PLR2004  (HTTP's own line)


@dataclass(frozen=True, slots=True)
class Answer(Head):
    """An answer with all of its body."""

    content: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer, or not a whole one.

    Attributes:
        passing: another try may do better.
    """

    reason: str
    passing: bool


Step = Open | Read | Wait | Give
Outcome = Head | bytes | Lost | None
Steps = Generator[Step, Outcome, T]


def opened(request: Request, seconds: float) -> Steps[Head | Lost]:
    """The head of an answer."""
    outcome = yield Open(request, seconds)
    if isinstance(outcome, Head | Lost):
        return outcome
    raise TypeError("a driver hands back a Head or Lost for Open")


def read() -> Steps[bytes | Lost]:
    """The next bytes of the open answer."""
    outcome = yield Read()
    if isinstance(outcome, bytes | Lost):
        return outcome
    raise TypeError("a driver hands back bytes or Lost for Read")


def given(steps: Steps[None]) -> Steps[list[Rows]]:
    """All that a call gives, at once."""
    found: list[Rows] = []
    outcome: Outcome = None
    with suppress(StopIteration):
        while True:
            step = steps.send(outcome)
            if isinstance(step, Give):
                found.append(step.rows)
                outcome = None
            else:
                outcome = yield step
    return found
