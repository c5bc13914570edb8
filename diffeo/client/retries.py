"""A service as its caller sees it: asked again when that can help, never before it said, never beyond the deadline."""

import json
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from diffeo.errors import DiffeoError, Problem, Unreachable

from .steps import Answer, Head, Lost, Request, Steps, Wait, opened, read

# The first pause where the service names none; each one after it is twice as long, up to the longest.
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
# So that callers who were told the same second do not all come back in it.
SPREAD: Final = 0.1
# Some eleven days: the service reads no more digits.
MAX_MILLISECONDS: Final = 10**9 - 1


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a service is and how much patience there is with it.

    Args:
        url: its address.
        seconds: how long one exchange may take, with its repetitions and the pauses between them.
        retries: how often an exchange is repeated at most.
        clock: seconds that only grow.
        chance: a number in [0, 1), a new one each time.
    """

    url: str
    seconds: float = 60.0
    retries: int = 5
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random

    def exchange(self, request: Request) -> Steps[Answer]:
        """One request and its whole answer.

        Raises:
            Unreachable: no answer came, or not a whole one.
            Problem: the answer is a problem document.
        """
        attempts = Attempts(self)
        while True:
            outcome = yield from attempts.ask(request)
            if isinstance(outcome, Answer) and not outcome.refused:
                return outcome
            yield from attempts.pause(outcome)

    def stranger(self) -> Unreachable:
        """The error for an answer that makes no sense."""
        return Unreachable(f"what answers at {self.url} is not this service")

    def failure(self, failed: Answer | Lost) -> DiffeoError:
        """The error for what is not asked for again."""
        if isinstance(failed, Lost):
            return Unreachable(f"no service answers at {self.url}: {failed.reason}")
        return _problem(failed)


class Attempts:
    """The tries of one exchange: they are counted, and all of them have one deadline."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._made = 0
        self._until = 0.0
        self.begin()

    def begin(self) -> None:
        """Something new came: the count and the deadline begin anew."""
        self._made = 0
        self._until = self._endpoint.clock() + self._endpoint.seconds

    def open(self, request: Request) -> Steps[Head | Lost]:
        """The head of the answer; the service is told how long it is waited for."""
        seconds = self._left
        if seconds < math.inf:
            wish = max(1, min(MAX_MILLISECONDS, int(seconds * 1000)))
            request = replace(request, headers={**request.headers, "x-request-timeout-ms": str(wish)})
        return (yield from opened(request, seconds))

    def ask(self, request: Request) -> Steps[Answer | Lost]:
        """The whole answer."""
        head = yield from self.open(request)
        return head if isinstance(head, Lost) else (yield from self.whole(head))

    def whole(self, head: Head) -> Steps[Answer | Lost]:
        """The rest of an answer."""
        parts: list[bytes] = []
        while True:
            part = yield from read()
            if isinstance(part, Lost):
                return part
            if not part:
                return Answer(head.status, head.headers, b"".join(parts))
            if self._left <= 0:
                return Lost("its answer was not whole at the deadline", passing=False)
            parts.append(part)

    def pause(self, failed: Answer | Lost) -> Steps[None]:
        """Wait until another try may do better.

        Raises:
            Unreachable: no other try will, or there is no time or number left for it, and no answer came.
            Problem: the same, and the answer is a problem document.
        """
        seconds = self._wish(failed)
        if seconds is None or seconds >= self._left or self._made >= self._endpoint.retries:
            raise self._endpoint.failure(failed)
        self._made += 1
        yield Wait(seconds)

    @property
    def _left(self) -> float:
        return self._until - self._endpoint.clock()

    def _wish(self, failed: Answer | Lost) -> float | None:
        backoff = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**self._made) * (1 - self._endpoint.chance() / 2)
        if isinstance(failed, Lost):
            return backoff if failed.passing else None
        if failed.status not in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
            return None
        told = _retry_after(failed.headers)
        if told is not None:
            return told * (1 + SPREAD * self._endpoint.chance())
        # A version that was refused stays refused; what is overloaded does not stay so.
        return backoff if failed.status == HTTPStatus.TOO_MANY_REQUESTS else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        # Both by the clock of the service: the two machines need not agree on the time.
        return max(0.0, (parsedate_to_datetime(text) - parsedate_to_datetime(headers["date"])).total_seconds())
    except (ValueError, TypeError, KeyError):
        return None


def _problem(answer: Answer) -> Problem:
    try:
        content = json.loads(answer.content)
        faults = [(fault["pointer"], fault["detail"]) for fault in content["errors"]]
        return Problem(answer.status, content["type"], content["detail"], faults, content["request_id"])
    except (ValueError, KeyError, TypeError):
        # Not ours: a proxy's page, say.
        return Problem(answer.status, "about:blank", f"HTTP {answer.status}", (), "")
