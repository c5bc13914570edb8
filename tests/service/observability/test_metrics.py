"""GET /metrics counts each request once, under labels that no client can create."""

import asyncio
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from diffeo.bundle import npy
from diffeo.runtime.engines.engine import Tensors
from diffeo.runtime.errors import EngineFailed
from diffeo.runtime.finite_rows import Rows
from diffeo.service.batcher import Batcher
from diffeo.service.observability import client_counters
from diffeo.service.observability.timing import RequestTiming
from diffeo.service.routes.openapi import OPERATIONS
from diffeo.service.routes.problems import REJECTIONS
from diffeo.service.settings import Settings
from tests.given.flows import affine
from tests.given.servers.asgi_app import App
from tests.given.servers.gated_service import SECONDS, GatedService
from tests.given.servers.metrics_scrape import Scrape

MODEL = {"model": "affine2d", "version": "1"}
STAGES = ("queue", "compute", "encode")
SERVER_TIMING = re.compile(r"queue;dur=(\d+\.\d{3}), compute;dur=(\d+\.\d{3})(?:, encode;dur=(\d+\.\d{3}))?")
BODIES = {
    "sample": {"num_samples": 4},
    "log_prob": {"x": [[1, 2], [None, 1], [3, 4]]},
    "transform": {"direction": "inverse", "z": [[1, 2]]},
}
ROWS = {"sample": 4, "log_prob": 3, "transform": 1}


@pytest.fixture
def fresh(settings: Settings) -> Iterator[App]:
    """An app that has not counted any request yet."""
    with App(settings) as running:
        yield running


def scrape(app: App) -> Scrape:
    return Scrape(app.get("/metrics").text)


def milliseconds(response: httpx.Response) -> list[float]:
    found = SERVER_TIMING.fullmatch(response.headers["server-timing"])
    assert found is not None
    return [float(value) for value in found.groups() if value is not None]


@pytest.mark.parametrize("operation", BODIES)
def test_an_answered_request_is_counted_once_with_its_rows_and_durations(fresh: App, operation: str) -> None:
    response = fresh.post(f"/{operation}", json=BODIES[operation])
    found = scrape(fresh)
    labels = {**MODEL, "operation": operation}
    assert found.of("diffeo_requests_total") == found.of("diffeo_requests_total", **labels, code="200") == 1
    assert found.of("diffeo_rows_total") == found.of("diffeo_rows_total", **labels) == ROWS[operation]
    assert found.of("diffeo_rows_invalid_total") == (operation == "log_prob")
    for stage in (*STAGES, "request"):
        assert (
            found.of(f"diffeo_{stage}_duration_seconds_count")
            == found.of(f"diffeo_{stage}_duration_seconds_count", **labels)
            == 1
        )
    durations = [found.of(f"diffeo_{stage}_duration_seconds_sum") for stage in STAGES]
    assert all(seconds > 0 for seconds in durations)
    assert sum(durations) < found.of("diffeo_request_duration_seconds_sum")
    assert milliseconds(response) == pytest.approx([1000 * seconds for seconds in durations], abs=1e-3)


def test_each_engine_call_is_counted_under_its_graph(fresh: App) -> None:
    for _ in range(3):
        fresh.post("/log_prob", json=BODIES["log_prob"])
    fresh.post("/sample", json=BODIES["sample"])
    found = scrape(fresh)
    for graph, calls, rows in (("forward", 3, 9), ("inverse", 1, 4)):
        labels = {**MODEL, "graph": graph, "precision": "float32"}
        assert found.of("diffeo_batch_rows_count", **labels) == calls
        assert found.of("diffeo_batch_rows_sum", **labels) == rows
        assert found.of("diffeo_batch_rows_bucket", **labels, le="4.0") == calls


def test_a_served_model_is_exported_with_zeros_before_its_first_request(fresh: App) -> None:
    found = scrape(fresh)
    assert found.of("diffeo_model_info") == 1
    for path in OPERATIONS:
        labels = {**MODEL, "operation": path.strip("/"), "code": "200"}
        assert found.samples["diffeo_requests_total", frozenset(labels.items())] == 0
    problems = {dict(labels)["problem"] for name, labels in found.samples if name == "diffeo_requests_rejected_total"}
    assert problems == {problem for problem, _ in REJECTIONS} | client_counters.REJECTIONS.keys()
    later = scrape(fresh)
    assert later.samples == found.samples


REJECTED: dict[str, tuple[str, str, int]] = {
    "malformed-body": ("/log_prob", "{", 400),
    "invalid-request": ("/log_prob", '{"x": [[1]]}', 422),
    "model-not-found": ("/sample", '{"model": "other"}', 404),
    "version-not-found": ("/sample", '{"version": 2}', 404),
    "precision-not-found": ("/sample", '{"precision": "int8"}', 404),
    "not-acceptable": ("/sample?format=npy&return=x,z", "", 406),
    "too-large": ("/sample", '{"num_samples": 90000000}', 413),
}


@pytest.mark.parametrize(("problem", "case"), REJECTED.items(), ids=list(REJECTED))
def test_a_rejected_request_is_counted_by_problem_type_and_status(
    fresh: App, problem: str, case: tuple[str, str, int]
) -> None:
    path, text, status = case
    response = fresh.post_text(path, text) if text else fresh.post(path)
    assert response.status_code == status
    assert milliseconds(response) == [0, 0]
    found = scrape(fresh)
    assert (
        found.of("diffeo_requests_rejected_total", problem=problem) == found.of("diffeo_requests_rejected_total") == 1
    )
    assert found.of("diffeo_requests_total", code=str(status)) == found.of("diffeo_requests_total") == 1
    assert found.of("diffeo_request_duration_seconds_count") == 1
    assert found.of("diffeo_queue_duration_seconds_count") == found.of("diffeo_rows_total") == 0


def test_no_client_can_create_a_time_series(fresh: App) -> None:
    fresh.post("/sample", json={"model": "unknown-1"})
    fresh.post("/sample", json={"version": 77})
    before = scrape(fresh)
    for number in range(100):
        fresh.post("/sample", json={"model": f"m{number}"})
        fresh.post("/sample", json={"version": 100 + number})
        fresh.post("/sample", json={"precision": f"p{number}"})
        fresh.request(f"X{number}", f"/sample/{number}")
    after = scrape(fresh)
    assert set(after.samples) == set(before.samples)
    assert after.of("diffeo_requests_total", code="404") == 302


def test_requests_of_the_open_inference_protocol_are_counted_under_the_operation_that_answers_them(fresh: App) -> None:
    def infer(model: str, shape: list[int]) -> None:
        data = [0.0] * (shape[0] * shape[1])
        tensor = {"name": "x", "datatype": "FP32", "shape": shape, "data": data}
        fresh.post(f"/v2/models/{model}/infer", json={"inputs": [tensor]})

    before = scrape(fresh)
    for model, shape in (("affine2d", [5, 2]), ("affine2d.forward", [3, 2]), ("affine2d", [1, 3]), ("unknown", [1, 2])):
        infer(model, shape)
    for path in ("/v2/health/ready", "/v2/nowhere", "/v2/models/affine2d"):
        fresh.get(path)
    after = scrape(fresh)

    def counted(name: str, **labels: str) -> float:
        return after.of(name, **labels) - before.of(name, **labels)

    assert counted("diffeo_rows_total", operation="log_prob", model="affine2d") == 5
    assert counted("diffeo_rows_total", operation="transform", model="affine2d") == 3
    assert counted("diffeo_requests_total", operation="log_prob", model="affine2d", code="400") == 1
    assert counted("diffeo_requests_total", operation="log_prob", model="", code="404") == 1
    assert counted("diffeo_requests_total") == 4


def test_a_stream_counts_the_rows_that_it_sent_and_has_no_encode_time_in_its_header(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr("diffeo.service.model_loader.MAX_STREAM_BLOCK_CHUNKS", 1)
    with App(settings) as app:
        response = app.post("/sample?num_samples=5000&format=csv")
        found = scrape(app)
    assert len(milliseconds(response)) == 2
    assert found.of("diffeo_rows_total") == 5000
    assert found.of("diffeo_batch_rows_sum") == 5000
    for stage in STAGES:
        assert found.of(f"diffeo_{stage}_duration_seconds_count") == 1
        assert 0 < found.of(f"diffeo_{stage}_duration_seconds_sum") < found.of("diffeo_request_duration_seconds_sum")


def change_answers(monkeypatch: pytest.MonkeyPatch, change: Callable[[int, Tensors], None]) -> None:
    run, calls = Batcher.run, itertools.count()

    async def changed(
        batcher: Batcher, rows: Rows, deadline: float | None, timing: RequestTiming | None, client: str = ""
    ) -> Tensors:
        answer = await run(batcher, rows, deadline, timing, client)
        change(next(calls), answer)
        return answer

    # Blocks of a stream after the first one are admitted already.
    for name in ("run", "run_admitted"):
        monkeypatch.setattr(Batcher, name, changed)


def test_rows_of_a_stream_without_a_finite_answer_are_counted(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    def overflow(_: int, answer: Tensors) -> None:
        answer["x"][:2] = np.inf

    monkeypatch.setattr("diffeo.service.model_loader.MAX_STREAM_BLOCK_CHUNKS", 1)
    with App(settings) as app:
        change_answers(monkeypatch, overflow)
        app.post(f"/sample?num_samples={3 * settings.chunk_rows}&format=npy")
        found = scrape(app)
    chunks = found.of("diffeo_batch_rows_count")
    assert found.of("diffeo_rows_total") == 3 * settings.chunk_rows
    assert found.of("diffeo_rows_invalid_total") == 2 * chunks > 0


def test_a_stream_that_breaks_is_counted_as_an_internal_error(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    def fail(call: int, _: Tensors) -> None:
        if call == 2:
            raise EngineFailed("the third")

    monkeypatch.setattr("diffeo.service.model_loader.MAX_STREAM_BLOCK_CHUNKS", 1)
    with App(settings) as app:
        change_answers(monkeypatch, fail)
        with pytest.raises(EngineFailed):
            app.post(f"/sample?num_samples={5 * settings.chunk_rows}&format=npy")
        found = scrape(app)
    assert (
        found.of("diffeo_requests_rejected_total", problem="internal")
        == found.of("diffeo_requests_rejected_total")
        == 1
    )
    assert found.of("diffeo_requests_total", code="500") == found.of("diffeo_requests_total") == 1


async def run_loop_turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_queued_rows_are_exported_while_they_are_queued_and_not_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    service = GatedService(monkeypatch)
    rows, kind = npy.write(np.zeros((8, 2), np.float32)), {"content-type": "application/x-npy"}

    async def main() -> tuple[Scrape, Scrape, httpx.Response]:
        async with service.client() as client:
            first = [asyncio.ensure_future(client.post("/log_prob", content=rows, headers=kind)) for _ in range(2)]
            await run_loop_turns(40)
            waiting = Scrape((await client.get("/metrics")).text)
            first[1].cancel()
            service.gate.set()
            answer = await first[0]
            return waiting, Scrape((await client.get("/metrics")).text), answer

    waiting, after, answer = asyncio.run(asyncio.wait_for(main(), SECONDS))
    # Of the 16 rows of both requests, the engine computes 4.
    assert waiting.of("diffeo_queued_rows", **MODEL, graph="forward") == waiting.of("diffeo_queued_rows") == 12
    assert after.of("diffeo_queued_rows") == 0
    assert answer.status_code == 200
    assert after.of("diffeo_queue_duration_seconds_count") == 1
    assert after.of("diffeo_requests_rejected_total", problem="client-disconnected") == 1


def test_a_request_that_passed_its_deadline_reports_its_queue_time(monkeypatch: pytest.MonkeyPatch) -> None:
    service = GatedService(monkeypatch)

    async def main() -> httpx.Response:
        async with service.client() as client:
            return await client.post("/log_prob", json={"x": [[1, 2]] * 8}, headers={"x-request-timeout-ms": "30"})

    response = asyncio.run(asyncio.wait_for(main(), SECONDS))
    service.gate.set()
    assert response.status_code == 504
    queue, compute = milliseconds(response)
    assert (queue > 20, compute) == (True, 0)


def test_every_version_is_exported_with_its_state_and_every_served_one_with_its_digest(tmp_path: Path) -> None:
    affine.copy_to(tmp_path)
    (affine.copy_to(tmp_path, version=2) / "forward.onnx").write_bytes(b"")
    with App(Settings(models=tmp_path)) as app:
        found = scrape(app)
        digest = app.get("/models/affine2d/versions/1").json()["digest"]
    states = {
        (labels["version"], labels["state"]): value
        for (name, given), value in found.samples.items()
        if name == "diffeo_model_state" and (labels := dict(given))
    }
    assert states == {("1", "served"): 1, ("1", "refused"): 0, ("2", "served"): 0, ("2", "refused"): 1}
    info = {**MODEL, "digest": digest, "engine": "onnx", "precision": "float32"}
    assert found.of("diffeo_model_info", **info) == found.of("diffeo_model_info") == 1


def test_a_scrape_gets_text_or_openmetrics_depending_on_its_accept_header(app: App) -> None:
    plain = app.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    accept = "application/openmetrics-text; version=1.0.0"
    openmetrics = app.get("/metrics", headers={"accept": accept})
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
    assert openmetrics.text.endswith("# EOF\n")
