"""Sends requests to one service and retries transient failures; honours Retry-After and one deadline per request."""

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

from .steps import Request, Response, ResponseHead, Sleep, Steps, TransportFailure, read_bytes, send

# Seconds before the first retry when the service names no time; each later delay is twice as long, up to the longest.
FIRST_DELAY: Final = 0.1
LONGEST_DELAY: Final = 5.0
# Retry-After is extended by up to this fraction, so that clients with the same Retry-After do not retry together.
SPREAD: Final = 0.1
# The service reads at most nine digits; this is about eleven days.
MAX_MILLISECONDS: Final = 10**9 - 1


@dataclass(frozen=True, slots=True)
class RemoteService:
    """The address of a service, and how long and how often each request to it is tried.

    Attributes:
        url: address of the service.
        seconds: time limit of one request, with all its retries and the delays between them.
        retries: most retries of one request.
        clock: monotonic time in seconds.
        uniform: a new random number in [0, 1) at each call.
    """

    url: str
    seconds: float = 60.0
    retries: int = 5
    clock: Callable[[], float] = time.monotonic
    uniform: Callable[[], float] = random.random

    def fetch(self, request: Request) -> Steps[Response]:
        """Send one request and return its whole response.

        Raises:
            Unreachable: no whole response arrived.
            Problem: the response is a problem document.
        """
        attempts = Attempts(self)
        while True:
            outcome = yield from attempts.fetch(request)
            if isinstance(outcome, Response) and not outcome.is_error:
                return outcome
            yield from attempts.wait_before_retry(outcome)

    def unexpected_response(self) -> Unreachable:
        """The error for a response that no diffeo service sends."""
        return Unreachable(f"the server at {self.url} is not a diffeo service: it sent an unexpected response")

    def error_for(self, failed: Response | TransportFailure) -> DiffeoError:
        """The error for a failure that is not retried."""
        if isinstance(failed, TransportFailure):
            return Unreachable(f"no service answers at {self.url}: {failed.reason}")
        return _problem(failed)


class Attempts:
    """All attempts of one request: counts them, and applies one deadline to all of them."""

    def __init__(self, service: RemoteService) -> None:
        self._service = service
        self._retries_done = 0
        self._deadline = 0.0
        self.restart()

    def restart(self) -> None:
        """Reset the count and the deadline; call this after new rows have arrived."""
        self._retries_done = 0
        self._deadline = self._service.clock() + self._service.seconds

    def open(self, request: Request) -> Steps[ResponseHead | TransportFailure]:
        """Send the request with the time that is left, and return the head of the response."""
        seconds = self._time_left
        if seconds < math.inf:
            milliseconds = max(1, min(MAX_MILLISECONDS, int(seconds * 1000)))
            request = replace(request, headers={**request.headers, "x-request-timeout-ms": str(milliseconds)})
        return (yield from send(request, seconds))

    def fetch(self, request: Request) -> Steps[Response | TransportFailure]:
        """Send the request once and return the whole response."""
        head = yield from self.open(request)
        return head if isinstance(head, TransportFailure) else (yield from self.read_body(head))

    def read_body(self, head: ResponseHead) -> Steps[Response | TransportFailure]:
        """Read the rest of an open response."""
        received: list[bytes] = []
        while True:
            data = yield from read_bytes()
            if isinstance(data, TransportFailure):
                return data
            if not data:
                return Response(head.status, head.headers, b"".join(received))
            if self._time_left <= 0:
                return TransportFailure("the response was not complete at the deadline", transient=False)
            received.append(data)

    def wait_before_retry(self, failed: Response | TransportFailure) -> Steps[None]:
        """Wait until a retry may succeed.

        Raises:
            Unreachable: no response arrived, and a retry cannot help or none is left before the deadline.
            Problem: the same, when the response is a problem document.
        """
        seconds = self._delay(failed)
        if seconds is None or seconds >= self._time_left or self._retries_done >= self._service.retries:
            raise self._service.error_for(failed)
        self._retries_done += 1
        yield Sleep(seconds)

    @property
    def _time_left(self) -> float:
        return self._deadline - self._service.clock()

    def _delay(self, failed: Response | TransportFailure) -> float | None:
        """Seconds until the retry; None when a retry cannot help."""
        backoff = min(LONGEST_DELAY, FIRST_DELAY * 2.0**self._retries_done) * (1 - self._service.uniform() / 2)
        if isinstance(failed, TransportFailure):
            return backoff if failed.transient else None
        if failed.status not in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
            return None
        retry_after = _retry_after(failed.headers)
        if retry_after is not None:
            return retry_after * (1 + SPREAD * self._service.uniform())
        # 503 without Retry-After is a refused version, which a retry does not change; 429 is overload, which passes.
        return backoff if failed.status == HTTPStatus.TOO_MANY_REQUESTS else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        # Both dates come from the service's clock, so the clock of this machine does not matter.
        return max(0.0, (parsedate_to_datetime(text) - parsedate_to_datetime(headers["date"])).total_seconds())
    except (ValueError, TypeError, KeyError):
        return None


def _problem(response: Response) -> Problem:
    try:
        content = json.loads(response.content)
        field_errors = [(field["pointer"], field["detail"]) for field in content["errors"]]
        return Problem(response.status, content["type"], content["detail"], field_errors, content["request_id"])
    except (ValueError, KeyError, TypeError):
        # The body is no problem document of the service; a proxy may have sent it.
        return Problem(response.status, "about:blank", f"HTTP {response.status}", (), "")
