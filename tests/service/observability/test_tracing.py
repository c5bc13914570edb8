"""Traces are sent when the standard variables ask for them, and agree with the timestamps of the request."""

import gzip
import logging
import queue
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from diffeo.service.errors import SettingsInvalid
from diffeo.service.observability import tracing
from diffeo.service.observability.spans import Spans
from diffeo.service.settings import Settings
from tests.given.flows import affine
from tests.given.servers.asgi_app import App
from tests.given.servers.server_process import Server

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = PARENT[:-2] + "00"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traced(settings: Settings, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("diffeo.service.app.tracing.tracer", lambda _: Spans(provider))
    with App(settings) as running:
        yield running
    provider.shutdown()


def named(spans: Sequence[ReadableSpan]) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans}


def interval(span: ReadableSpan) -> tuple[int, int]:
    """Start and end of a span, nanoseconds since 1970."""
    assert span.start_time is not None
    assert span.end_time is not None
    return span.start_time, span.end_time


def test_an_answered_request_is_a_span_with_a_child_span_for_each_stage(
    traced: App, exporter: InMemorySpanExporter
) -> None:
    response = traced.post("/log_prob", json={"x": [[1, 2], [3, 4]]}, headers={"x-request-id": "me"})
    spans = named(exporter.get_finished_spans())
    root = spans.pop("POST /log_prob")
    assert set(spans) == {"queue", "compute", "encode"}
    assert dict(root.attributes or {}) == {
        "http.request.method": "POST", "http.route": "/log_prob", "url.path": "/log_prob",
        "http.response.status_code": 200, "diffeo.request_id": "me", "diffeo.rows": 2, "diffeo.model": "affine2d",
        "diffeo.version": 1,
    }  # fmt: skip
    last, root_end = interval(root)
    for name in ("queue", "compute", "encode"):
        span = spans[name]
        assert span.parent is not None
        assert span.parent.span_id == root.context.span_id
        start, end = interval(span)
        assert last <= start <= end <= root_end
        assert f"{name};dur={(end - start) / 1e6:.3f}"[:-2] in response.headers["server-timing"]
        last = end


def test_the_trace_of_the_caller_is_continued(traced: App, exporter: InMemorySpanExporter) -> None:
    traced.post("/sample", headers={"traceparent": PARENT, "tracestate": "a=b"})
    root = named(exporter.get_finished_spans())["POST /sample"]
    assert root.parent is not None
    assert f"{root.context.trace_id:032x}-{root.parent.span_id:016x}" in PARENT
    assert root.context.trace_state.get("a") == "b"


def test_a_request_that_the_caller_did_not_sample_is_not_traced(traced: App, exporter: InMemorySpanExporter) -> None:
    traced.post("/sample", headers={"traceparent": UNSAMPLED})
    assert exporter.get_finished_spans() == ()


@pytest.mark.parametrize("parent", ["", "00-0-0-01", "x" * 5000, "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "é"])
def test_an_invalid_traceparent_starts_a_new_trace(traced: App, exporter: InMemorySpanExporter, parent: str) -> None:
    assert traced.post("/sample", headers={b"traceparent": parent.encode()}).status_code == 200
    assert named(exporter.get_finished_spans())["POST /sample"].parent is None


def test_only_an_error_of_the_service_is_marked_as_an_error(
    traced: App, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    traced.post("/sample", json={"model": "none"})
    monkeypatch.setattr("diffeo.service.model.Model.with_seed", None)
    traced.post("/sample")
    rejected, failed = exporter.get_finished_spans()
    assert rejected.status.status_code == StatusCode.UNSET
    assert (rejected.attributes or {})["error.type"] == "model-not-found"
    assert failed.status.status_code == StatusCode.ERROR
    assert (failed.attributes or {})["http.response.status_code"] == 500


def test_a_stream_is_one_span_that_lasts_until_its_end(traced: App, exporter: InMemorySpanExporter) -> None:
    traced.post("/sample?num_samples=100000&format=npy")
    spans = named(exporter.get_finished_spans())
    assert (spans["POST /sample"].attributes or {})["diffeo.rows"] == 100_000
    assert interval(spans["encode"])[1] <= interval(spans["POST /sample"])[1]


DISABLING: list[Mapping[str, str]] = [
    {},
    {"OTEL_SERVICE_NAME": "diffeo", "OTEL_METRICS_EXPORTER": "otlp"},
    {ENDPOINT: ""},
    {ENDPOINT: "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
    {ENDPOINT: "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
]


@pytest.mark.parametrize("environment", DISABLING, ids=str)
def test_no_tracer_is_created_unless_the_variables_ask_for_one(environment: Mapping[str, str]) -> None:
    assert tracing.tracer(environment) is None


ENABLING: list[Mapping[str, str]] = [
    {ENDPOINT: "http://127.0.0.1:1"},
    {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1/v1/traces"},
    {"OTEL_TRACES_EXPORTER": "otlp,console", "OTEL_SERVICE_NAME": "mine"},
]


@pytest.mark.parametrize("environment", ENABLING, ids=str)
def test_the_variables_enable_traces(environment: Mapping[str, str]) -> None:
    tracer = tracing.tracer(environment)
    assert tracer is not None
    tracer.close()


@pytest.mark.parametrize(
    "variables", [{"OTEL_TRACES_EXPORTER": "pigeon"}, {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}], ids=str
)
def test_an_exporter_that_is_not_installed_is_an_error_with_its_name(variables: Mapping[str, str]) -> None:
    with pytest.raises(SettingsInvalid, match=r"pigeon|otlp_proto_grpc"):
        tracing.tracer({ENDPOINT: "http://127.0.0.1:1", **variables})


def test_without_the_extra_the_service_logs_a_warning_and_serves(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delitem(sys.modules, "diffeo.service.observability.spans")
    monkeypatch.delattr("diffeo.service.observability.spans")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with caplog.at_level(logging.WARNING, "diffeo"):
        assert tracing.tracer({ENDPOINT: "http://127.0.0.1:1"}) is None
    assert "diffeo[otel]" in caplog.text


class Collector(BaseHTTPRequestHandler):
    """Receives spans as OTLP over HTTP."""

    received: "queue.Queue[ExportTraceServiceRequest]" = queue.Queue()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.received.put(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_server_process_sends_its_spans_to_the_endpoint_of_the_variables() -> None:
    with HTTPServer(("127.0.0.1", 0), Collector) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{collector.server_port}"
        server = Server(affine.DATA, **{ENDPOINT: endpoint, "OTEL_RESOURCE_ATTRIBUTES": "deployment=test"})
        httpx.post(server.url + "/sample", headers={"traceparent": PARENT})
        # The process sends its remaining spans when it stops.
        assert server.stop()[0] == 0
        (resource,) = Collector.received.get(timeout=10).resource_spans
        collector.shutdown()
    attributes = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert (attributes["service.name"], attributes["deployment"]) == ("diffeo", "test")
    spans = resource.scope_spans[0].spans
    assert {span.name for span in spans} == {"POST /sample", "queue", "compute", "encode"}
    assert {span.trace_id.hex() for span in spans} == {PARENT.split("-")[1]}
