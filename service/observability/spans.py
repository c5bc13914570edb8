"""An exchange as spans of OpenTelemetry: the request, and in it one each for queue, compute and encode.

They are made when it has ended, from the stamps that the metrics need anyway.
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
from ..routes.access import request_id
from ..routes.request_context import RequestContext
from .timing import RequestTiming

# The registry in which packages of OpenTelemetry offer what sends spans.
EXPORTERS: Final = "opentelemetry_traces_exporter"
CARRIED: Final = ("traceparent", "tracestate")
SERVER_FAULT: Final = 500
SECOND: Final = 1_000_000_000


class Spans:
    """Makes spans of exchanges.

    Args:
        provider: samples them, and sends them.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("diffeo")
        self._propagator = TraceContextTextMapPropagator()

    def trace(self, http: RequestContext) -> None:
        """The spans of an exchange that has ended."""
        timing, end = http.timing, time.perf_counter()
        # The stamps count from nowhere; the calendar is asked once, so that the spans fit into each other.
        epoch = time.time_ns() - round(end * SECOND)
        span = self._tracer.start_span(
            f"POST {http.scope['path']}",
            self._parent(http),
            SpanKind.SERVER,
            _attributes(http),
            start_time=epoch + round(timing.began * SECOND),
        )
        if span.is_recording():
            within = set_span_in_context(span)
            for name, began, ended in _stages(timing):
                stage = self._tracer.start_span(name, within, start_time=epoch + round(began * SECOND))
                stage.end(epoch + round(ended * SECOND))
        if http.status >= SERVER_FAULT:
            span.set_status(Status(StatusCode.ERROR, http.problem))
        span.end(epoch + round(end * SECOND))

    def close(self) -> None:
        """Send what was not sent yet."""
        self._provider.shutdown()

    def _parent(self, http: RequestContext) -> Context:
        given = {name: value for name in CARRIED if (value := http.headers.get(name.encode())) is not None}
        return self._propagator.extract({name: value.decode("latin-1") for name, value in given.items()})


def configured(environment: Mapping[str, str]) -> Spans:
    """Spans sent as the environment says; it also sets the sampler, the limits and the batches.

    Raises:
        SettingsInvalid: nothing that is installed sends spans that way.
    """
    provider = TracerProvider(resource=_resource(environment), shutdown_on_exit=False)
    for name in environment.get("OTEL_TRACES_EXPORTER", "otlp").split(","):
        offered = _offered(name.strip(), environment)
        found = entry_points(group=EXPORTERS, name=offered)
        if not found:
            raise SettingsInvalid(f"OTEL_TRACES_EXPORTER: nothing installed here sends spans as {offered!a}")
        provider.add_span_processor(BatchSpanProcessor(next(iter(found)).load()()))
    return Spans(provider)


def _offered(name: str, environment: Mapping[str, str]) -> str:
    general = environment.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    protocol = environment.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", general)
    return f"otlp_proto_{protocol.partition('/')[0]}" if name == "otlp" else name


def _resource(environment: Mapping[str, str]) -> Resource:
    named = "OTEL_SERVICE_NAME" in environment or SERVICE_NAME in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return Resource.create({} if named else {SERVICE_NAME: "diffeo"})


def _stages(timing: RequestTiming) -> Iterator[tuple[str, float, float]]:
    if timing.admitted:
        yield "queue", timing.admitted, timing.admitted + timing.queue
    if timing.compute:
        yield "compute", timing.taken, timing.taken + timing.compute
    if timing.encode:
        yield "encode", timing.encoding, timing.encoding + timing.encode


def _attributes(http: RequestContext) -> dict[str, str | int]:
    timing, meter = http.timing, http.counters
    attributes: dict[str, str | int] = {
        "http.request.method": "POST",
        "http.route": http.scope["path"],
        "url.path": http.scope["path"],
        "http.response.status_code": http.status,
        "diffeo.request_id": request_id(http.scope),
        "diffeo.rows": timing.rows,
    }
    if meter.model:
        attributes |= {"diffeo.model": meter.model, "diffeo.version": int(meter.version)}
    if http.problem:
        attributes["error.type"] = http.problem
    return attributes
