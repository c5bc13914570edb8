"""The data of a request that its trace shows, and the interface of a tracer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from .timing import RequestTiming


@dataclass(frozen=True, slots=True)
class TracedRequest:
    """The data that the trace of an ended request shows, beside its timing.

    Attributes:
        path: path of the URL.
        headers: headers of the request, names in lower case; `traceparent` and `tracestate` continue a trace.
        request_id: the id in the log and in X-Request-Id.
        status: HTTP status of the response.
        problem: type of the problem that ended the request; empty if the request was answered.
        model: name of the model; empty if no model was found.
        version: version of the model; empty if no model was found.
    """

    path: str
    headers: Mapping[bytes, bytes]
    request_id: str
    status: int
    problem: str = ""
    model: str = ""
    version: str = ""


class Tracer(Protocol):
    """Sends traces of requests."""

    def trace(self, request: TracedRequest, timing: RequestTiming) -> None:
        """Create the spans of a request that has ended."""

    def close(self) -> None:
        """Send all spans that have not been sent yet."""
