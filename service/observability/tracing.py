"""Turns tracing on if one of OpenTelemetry's standard environment variables asks for traces.

Otherwise nothing of OpenTelemetry is imported, and a request pays for one comparison.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from .timing import RequestTiming

ENABLING_VARIABLES: Final = (
    "OTEL_TRACES_EXPORTER",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
)

log = logging.getLogger("diffeo")


@dataclass(frozen=True, slots=True)
class TracedRequest:
    """What a trace shows of a request that has ended, beside its timing.

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


def tracer(environment: Mapping[str, str]) -> Tracer | None:
    """The tracer that the environment variables configure; None if they do not ask for traces.

    Raises:
        SettingsInvalid: no installed package provides the exporter that the variables name.
    """
    if not _is_enabled(environment):
        return None
    try:
        from . import spans  # noqa: PLC0415  (OpenTelemetry is an extra, and its import is slow)
    except ModuleNotFoundError:
        # Clusters often set these variables for every container, so they must not stop the service.
        log.warning("traces are off: OTEL_* asks for them, but OpenTelemetry is missing: pip install 'diffeo[otel]'")
        return None
    return spans.configured(environment)


def _is_enabled(environment: Mapping[str, str]) -> bool:
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER") == "none":
        return False
    return any(environment.get(name) for name in ENABLING_VARIABLES)
