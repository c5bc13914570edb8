"""Exports each request as OpenTelemetry spans: one for the request, and child spans for queue, compute and encode.

The spans are created when the request has ended, from the same timestamps as the metrics.
"""

import time
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ..errors import SettingsInvalid
from .timing import RequestTiming
from .tracing import TracedRequest

# The entry point group in which packages of OpenTelemetry register their span exporters.
EXPORTER_GROUP: Final = "opentelemetry_traces_exporter"
TRACE_HEADERS: Final = ("traceparent", "tracestate")
SERVER_ERROR: Final = 500
NANOSECONDS: Final = 1_000_000_000  # a second


class Spans:
    """Creates the spans of requests.

    Args:
        provider: samples and sends the spans.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("diffeo")
        self._propagator = TraceContextTextMapPropagator()

    def trace(self, request: TracedRequest, timing: RequestTiming) -> None:
        """Create the spans of a request that has ended."""
        end = time.perf_counter()
        # perf_counter has no fixed origin. The wall clock is read once, so that all spans share one offset.
        offset = time.time_ns() - round(end * NANOSECONDS)
        span = self._tracer.start_span(
            f"POST {request.path}",
            self._parent(request),
            SpanKind.SERVER,
            _attributes(request, timing),
            start_time=offset + round(timing.arrived * NANOSECONDS),
        )
        if span.is_recording():
            context = set_span_in_context(span)
            for name, started, ended in _stages(timing):
                stage = self._tracer.start_span(name, context, start_time=offset + round(started * NANOSECONDS))
                stage.end(offset + round(ended * NANOSECONDS))
        if request.status >= SERVER_ERROR:
            span.set_status(Status(StatusCode.ERROR, request.problem))
        span.end(offset + round(end * NANOSECONDS))

    def close(self) -> None:
        """Send all spans that have not been sent yet."""
        self._provider.shutdown()

    def _parent(self, request: TracedRequest) -> Context:
        headers = {
            name: value.decode("latin-1")
            for name in TRACE_HEADERS
            if (value := request.headers.get(name.encode())) is not None
        }
        return self._propagator.extract(headers)


def configured(environment: Mapping[str, str]) -> Spans:
    """Spans sent by the exporters that the environment names; it also configures the sampler, limits and batches.

    Raises:
        SettingsInvalid: no installed package provides an exporter of that name.
    """
    provider = TracerProvider(resource=_resource(environment), shutdown_on_exit=False)
    for name in environment.get("OTEL_TRACES_EXPORTER", "otlp").split(","):
        exporter = _exporter_name(name.strip(), environment)
        found = entry_points(group=EXPORTER_GROUP, name=exporter)
        if not found:
            raise SettingsInvalid(
                f"OTEL_TRACES_EXPORTER: no installed package provides the exporter {exporter!a}; install one that does"
            )
        provider.add_span_processor(BatchSpanProcessor(next(iter(found)).load()()))
    return Spans(provider)


def _exporter_name(name: str, environment: Mapping[str, str]) -> str:
    general = environment.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    protocol = environment.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", general)
    return f"otlp_proto_{protocol.partition('/')[0]}" if name == "otlp" else name


def _resource(environment: Mapping[str, str]) -> Resource:
    named = "OTEL_SERVICE_NAME" in environment or SERVICE_NAME in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return Resource.create({} if named else {SERVICE_NAME: "diffeo"})


def _stages(timing: RequestTiming) -> Iterator[tuple[str, float, float]]:
    if timing.queued:
        yield "queue", timing.queued, timing.queued + timing.queue_seconds
    if timing.compute_seconds:
        yield "compute", timing.compute_started, timing.compute_started + timing.compute_seconds
    if timing.encode_seconds:
        yield "encode", timing.encode_started, timing.encode_started + timing.encode_seconds


def _attributes(request: TracedRequest, timing: RequestTiming) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {
        "http.request.method": "POST",
        "http.route": request.path,
        "url.path": request.path,
        "http.response.status_code": request.status,
        "diffeo.request_id": request.request_id,
        "diffeo.rows": timing.rows,
    }
    if request.model:
        attributes |= {"diffeo.model": request.model, "diffeo.version": int(request.version)}
    if request.problem:
        attributes["error.type"] = request.problem
    return attributes
