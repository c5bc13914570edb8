"""What /metrics shows is what happened: each request once, under labels that no client can make."""

import asyncio
import itertools
import math
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffeo.bundle import npy
from diffeo.runtime.engines.engine import Tensors
from diffeo.runtime.errors import EngineFailed
from diffeo.service.batcher import Batcher
from diffeo.service.observability import counters
from diffeo.service.observability.counters import EndpointCounters, GraphCounters
from diffeo.service.observability.shared_counters import SharedCounters
from diffeo.service.observability.timing import RequestTiming
from diffeo.service.routes.openapi import VERBS
from diffeo.service.routes.problems import KINDS, REFUSALS
from diffeo.service.settings import Settings
from tests.given.flows import affine
from tests.given.servers.asgi_app import App
from tests.given.servers.gated_engine import SECONDS, Service
from tests.given.servers.metrics_scrape import Scrape

MODEL = {"model": "affine2d", "version": "1"}
STAGES = ("queue", "compute", "encode")
TIMING = re.compile(r"queue;dur=(\d+\.\d{3}), compute;dur=(\d+\.\d{3})(?:, encode;dur=(\d+\.\d{3}))?")
BODIES = {
    "sample": {"num_samples": 4},
    "log_prob": {"x": [[1, 2], [None, 1], [3, 4]]},
    "transform": {"direction": "inverse", "z": [[1, 2]]},
}
ROWS = {"sample": 4, "log_prob": 3, "transform": 1}


@pytest.fixture
def fresh(settings: Settings) -> Iterator[App]:
    """An app that has counted nothing yet."""
    with App(settings) as running:
        yield running


def scrape(app: App) -> Scrape:
    return Scrape(app.get("/metrics").text)


def milliseconds(response: httpx.Response) -> list[float]:
    found = TIMING.fullmatch(response.headers["server-timing"])
    assert found is not None
    return [float(value) for value in found.groups() if value is not None]


@pytest.mark.parametrize("verb", BODIES)
def test_an_answer_is_counted_once_with_its_rows_and_its_times(fresh: App, verb: str) -> None:
    response = fresh.post(f"/{verb}", json=BODIES[verb])
    found = scrape(fresh)
    labels = {**MODEL, "verb": verb}
    assert found.of("diffeo_requests_total") == found.of("diffeo_requests_total", **labels, code="200") == 1
    assert found.of("diffeo_rows_total") == found.of("diffeo_rows_total", **labels) == ROWS[verb]
    assert found.of("diffeo_invalid_rows_total") == (verb == "log_prob")
    for stage in (*STAGES, "request"):
        assert found.of(f"diffeo_{stage}_seconds_count") == found.of(f"diffeo_{stage}_seconds_count", **labels) == 1
    parts = [found.of(f"diffeo_{stage}_seconds_sum") for stage in STAGES]
    assert all(seconds > 0 for seconds in parts)
    assert sum(parts) < found.of("diffeo_request_seconds_sum")
    assert milliseconds(response) == pytest.approx([1000 * seconds for seconds in parts], abs=1e-3)


def test_a_batch_is_counted_by_graph(fresh: App) -> None:
    for _ in range(3):
        fresh.post("/log_prob", json=BODIES["log_prob"])
    fresh.post("/sample", json=BODIES["sample"])
    found = scrape(fresh)
    for graph, calls, rows in (("forward", 3, 9), ("inverse", 1, 4)):
        labels = {**MODEL, "graph": graph, "precision": "float32"}
        assert found.of("diffeo_batch_rows_count", **labels) == calls
        assert found.of("diffeo_batch_rows_sum", **labels) == rows
        assert found.of("diffeo_batch_rows_bucket", **labels, le="4.0") == calls


def test_what_is_served_is_there_with_zeros_before_anybody_asks(fresh: App) -> None:
    found = scrape(fresh)
    assert found.of("diffeo_model_info") == 1
    for verb in VERBS:
        labels = {**MODEL, "verb": verb.strip("/"), "code": "200"}
        assert found.samples["diffeo_requests_total", frozenset(labels.items())] == 0
    reasons = {dict(labels)["reason"] for name, labels in found.samples if name == "diffeo_rejected_total"}
    assert reasons == {reason for reason, _ in REFUSALS}
    later = scrape(fresh)
    assert later.samples == found.samples


REFUSED: dict[str, tuple[str, str, int]] = {
    "malformed-body": ("/log_prob", "{", 400),
    "invalid-request": ("/log_prob", '{"x": [[1]]}', 422),
    "model-not-found": ("/sample", '{"model": "other"}', 404),
    "version-not-found": ("/sample", '{"version": 2}', 404),
    "precision-not-found": ("/sample", '{"precision": "int8"}', 404),
    "not-acceptable": ("/sample?format=npy&return=x,z", "", 406),
    "too-large": ("/sample", '{"num_samples": 90000000}', 413),
}


@pytest.mark.parametrize(("reason", "case"), REFUSED.items(), ids=list(REFUSED))
def test_a_refusal_is_counted_by_its_reason_and_its_status(fresh: App, reason: str, case: tuple[str, str, int]) -> None:
    path, text, status = case
    response = fresh.post_text(path, text) if text else fresh.post(path)
    assert response.status_code == status
    assert milliseconds(response) == [0, 0]
    found = scrape(fresh)
    assert found.of("diffeo_rejected_total", reason=reason) == found.of("diffeo_rejected_total") == 1
    assert found.of("diffeo_requests_total", code=str(status)) == found.of("diffeo_requests_total") == 1
    assert found.of("diffeo_request_seconds_count") == 1
    assert found.of("diffeo_queue_seconds_count") == found.of("diffeo_rows_total") == 0


def test_every_problem_there_is_has_a_cell_of_its_own() -> None:
    ours = {(kind.type, kind.status) for kind in KINDS.values()}
    over_the_protocol = {("invalid-request", 400)}
    assert set(REFUSALS) == ours | over_the_protocol | {("internal", 500), ("client-gone", 499)}
    assert len(set(REFUSALS)) == len(REFUSALS)
    meter, cells = EndpointCounters("sample", refusals=REFUSALS), SharedCounters().page("a")
    meter.bind(cells)
    for reason, status in (("", 200), *REFUSALS, ("one that nobody knows", 418)):
        timing = RequestTiming()
        timing.reason, timing.status = reason, status
        meter.count(timing)
    # What nobody knows is the first, which is the internal error.
    ends = [cells[counters.REFUSED + number] for number in range(len(REFUSALS))]
    assert ends == [2] + [1] * (len(REFUSALS) - 1)


def test_no_client_can_make_a_series(fresh: App) -> None:
    fresh.post("/sample", json={"model": "nobody-1"})
    fresh.post("/sample", json={"version": 77})
    before = scrape(fresh)
    for number in range(100):
        fresh.post("/sample", json={"model": f"m{number}"})
        fresh.post("/sample", json={"version": 100 + number})
        fresh.post("/sample", json={"precision": f"p{number}"})
        fresh.ask(f"X{number}", f"/sample/{number}")
    after = scrape(fresh)
    assert set(after.samples) == set(before.samples)
    assert after.of("diffeo_requests_total", code="404") == 302


def test_requests_over_the_protocol_are_counted_as_the_verbs_that_answer_them(fresh: App) -> None:
    def infer(model: str, shape: list[int]) -> None:
        data = [0.0] * (shape[0] * shape[1])
        tensor = {"name": "x", "datatype": "FP32", "shape": shape, "data": data}
        fresh.post(f"/v2/models/{model}/infer", json={"inputs": [tensor]})

    before = scrape(fresh)
    for model, shape in (("affine2d", [5, 2]), ("affine2d.forward", [3, 2]), ("affine2d", [1, 3]), ("nobody", [1, 2])):
        infer(model, shape)
    for path in ("/v2/health/ready", "/v2/nowhere", "/v2/models/affine2d"):
        fresh.get(path)
    after = scrape(fresh)

    def counted(name: str, **labels: str) -> float:
        return after.of(name, **labels) - before.of(name, **labels)

    assert counted("diffeo_rows_total", verb="log_prob", model="affine2d") == 5
    assert counted("diffeo_rows_total", verb="transform", model="affine2d") == 3
    assert counted("diffeo_requests_total", verb="log_prob", model="affine2d", code="400") == 1
    assert counted("diffeo_requests_total", verb="log_prob", model="", code="404") == 1
    assert counted("diffeo_requests_total") == 4


def test_a_stream_counts_the_rows_that_it_sent_and_tells_what_is_known_at_its_head(
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
        assert found.of(f"diffeo_{stage}_seconds_count") == 1
        assert 0 < found.of(f"diffeo_{stage}_seconds_sum") < found.of("diffeo_request_seconds_sum")


def change_answers(monkeypatch: pytest.MonkeyPatch, change: Callable[[int, Tensors], None]) -> None:
    run, calls = Batcher.run, itertools.count()

    async def changed(batcher: Batcher, *arguments: object) -> Tensors:
        answer = await run(batcher, *arguments)
        change(next(calls), answer)
        return answer

    monkeypatch.setattr(Batcher, "run", changed)


def test_rows_that_a_stream_has_no_answer_for_are_counted(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    def overflow(_: int, answer: Tensors) -> None:
        answer["x"][:2] = np.inf

    monkeypatch.setattr("diffeo.service.model_loader.MAX_STREAM_BLOCK_CHUNKS", 1)
    with App(settings) as app:
        change_answers(monkeypatch, overflow)
        app.post(f"/sample?num_samples={3 * settings.chunk_rows}&format=npy")
        found = scrape(app)
    pieces = found.of("diffeo_batch_rows_count")
    assert found.of("diffeo_rows_total") == 3 * settings.chunk_rows
    assert found.of("diffeo_invalid_rows_total") == 2 * pieces > 0


def test_a_stream_that_breaks_counts_as_a_failure(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    def fail(call: int, _: Tensors) -> None:
        if call == 2:
            raise EngineFailed("the third")

    monkeypatch.setattr("diffeo.service.model_loader.MAX_STREAM_BLOCK_CHUNKS", 1)
    with App(settings) as app:
        change_answers(monkeypatch, fail)
        with pytest.raises(EngineFailed):
            app.post(f"/sample?num_samples={5 * settings.chunk_rows}&format=npy")
        found = scrape(app)
    assert found.of("diffeo_rejected_total", reason="internal") == found.of("diffeo_rejected_total") == 1
    assert found.of("diffeo_requests_total", code="500") == found.of("diffeo_requests_total") == 1


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_rows_that_wait_are_seen_while_they_wait_and_not_after(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(monkeypatch)
    rows, kind = npy.write(np.zeros((8, 2), np.float32)), {"content-type": "application/x-npy"}

    async def main() -> tuple[Scrape, Scrape, httpx.Response]:
        async with service.client() as client:
            first = [asyncio.ensure_future(client.post("/log_prob", content=rows, headers=kind)) for _ in range(2)]
            await turns(40)
            waiting = Scrape((await client.get("/metrics")).text)
            first[1].cancel()
            service.gate.set()
            answer = await first[0]
            return waiting, Scrape((await client.get("/metrics")).text), answer

    waiting, after, answer = asyncio.run(asyncio.wait_for(main(), SECONDS))
    # Four rows are in the engine.
    assert waiting.of("diffeo_pending_rows", **MODEL, graph="forward") == waiting.of("diffeo_pending_rows") == 12
    assert after.of("diffeo_pending_rows") == 0
    assert answer.status_code == 200
    assert after.of("diffeo_queue_seconds_count") == 1
    assert after.of("diffeo_rejected_total", reason="client-gone") == 1


def test_a_request_that_waits_in_vain_says_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(monkeypatch)

    async def main() -> httpx.Response:
        async with service.client() as client:
            return await client.post("/log_prob", json={"x": [[1, 2]] * 8}, headers={"x-request-timeout-ms": "30"})

    response = asyncio.run(asyncio.wait_for(main(), SECONDS))
    service.gate.set()
    assert response.status_code == 504
    queue, compute = milliseconds(response)
    assert (queue > 20, compute) == (True, 0)


@given(st.lists(st.floats(0, 100) | st.sampled_from(counters.SECONDS), max_size=20))
def test_a_histogram_puts_each_value_below_the_first_bound_that_is_not_less(values: list[float]) -> None:
    cells = SharedCounters().page("a")
    for value in values:
        counters.observe(cells, counters.QUEUE, value)
    size = len(counters.SECONDS) + 1
    counts = [cells[counters.QUEUE + place] for place in range(size)]
    expected = [sum(bisect_left(counters.SECONDS, value) == place for value in values) for place in range(size)]
    assert counts == expected
    assert math.isclose(cells[counters.QUEUE + size], sum(values), abs_tol=1e-9)
    for place, bound in enumerate(counters.SECONDS):
        assert sum(counts[: place + 1]) == sum(value <= bound for value in values)


def test_the_parts_of_a_page_do_not_overlap() -> None:
    starts = [
        counters.ROWS_ANSWERED,
        counters.ROWS_INVALID,
        counters.REQUEST,
        counters.QUEUE,
        counters.COMPUTE,
        counters.ENCODE,
    ]
    sizes = [1, 1, *[len(counters.SECONDS) + 2] * 4]
    ends = [start + size for start, size in zip(starts, sizes, strict=True)]
    assert ends == [*starts[1:], counters.REFUSED]
    assert counters.REFUSED + len(REFUSALS) <= len(SharedCounters().page("a"))


def test_what_was_counted_before_there_was_a_page_is_counted_in_it() -> None:
    meter, cells = GraphCounters(), SharedCounters().page("a")
    meter.batch(3)
    meter.wait(5)
    meter.bind(cells)
    meter.batch(2)
    meter.wait(1)
    place = counters.BATCH + len(counters.ROWS) + 1
    assert (cells[place], cells[0]) == (5, 1)


def test_two_models_of_one_name_share_a_page_while_one_replaces_the_other() -> None:
    old, new, cells = GraphCounters(), GraphCounters(), SharedCounters().page("a")
    old.bind(cells)
    old.wait(10)
    new.bind(cells)
    new.wait(4)
    old.wait(0)
    assert cells[0] == 4


def test_the_state_of_every_version_and_what_serves_it_are_told(tmp_path: Path) -> None:
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


def test_a_scrape_is_text_or_open_metrics_as_it_asks(app: App) -> None:
    plain = app.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    accept = "application/openmetrics-text; version=1.0.0"
    openmetrics = app.get("/metrics", headers={"accept": accept})
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
    assert openmetrics.text.endswith("# EOF\n")
