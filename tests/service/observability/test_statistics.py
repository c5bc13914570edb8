"""The statistics of the Open Inference Protocol are the same sums in every process of a service."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from diffeo.service.app import create_app
from diffeo.service.observability import statistics
from diffeo.service.observability.counters import EndpointCounters
from diffeo.service.observability.registry import ENDPOINT
from diffeo.service.observability.shared_counters import SharedCounters
from diffeo.service.observability.statistics import CountAndDuration
from diffeo.service.observability.timing import RequestTiming
from diffeo.service.routes.problems import REJECTIONS
from diffeo.service.settings import Settings

OPERATION, MODEL, VERSION = "log_prob", "moons", "1"
INPUT = {"name": "x", "datatype": "FP32", "shape": [3, 2], "data": [0.0] * 6}
INFER, STATS = "/v2/models/affine2d/infer", "/v2/models/affine2d/stats"
# A fixed time in seconds since 1970.
FIXED_TIME = 1_700_000_000.0


def endpoint(shared: SharedCounters, protocol_model: str) -> EndpointCounters:
    counters = EndpointCounters(OPERATION, MODEL, VERSION, REJECTIONS)
    counters.bind(shared.slot(ENDPOINT, OPERATION, MODEL, VERSION, protocol_model))
    return counters


def answered_request(rows: int) -> RequestTiming:
    timing = RequestTiming()
    timing.rows = rows
    timing.prepare_seconds, timing.queue_seconds = 0.5, 0.25
    timing.compute_seconds, timing.encode_seconds = 2.0, 0.125
    return timing


def test_two_processes_read_the_same_sums(
    new_counters: Callable[[], SharedCounters], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("diffeo.service.observability.counters.time", lambda: FIXED_TIME)
    first, second = new_counters(), new_counters()
    for rows in (1, 2):
        endpoint(first, MODEL).count(answered_request(rows), 200, "")
    endpoint(second, MODEL).count(answered_request(3), 200, "")
    endpoint(second, MODEL).count(RequestTiming(), 400, "invalid-request")
    read = [statistics.read(shared.sums()) for shared in (first, second)]
    assert read[0] == read[1]
    found = read[0][MODEL, VERSION]
    assert (found.rows, found.last_ms) == (6, FIXED_TIME * 1000)
    assert found.compute_input == CountAndDuration(3, 1_500_000_000)
    assert found.queue == CountAndDuration(3, 750_000_000)
    assert found.compute_infer == CountAndDuration(3, 6_000_000_000)
    assert found.compute_output == CountAndDuration(3, 375_000_000)
    assert found.success == CountAndDuration(3, 8_625_000_000)
    assert (found.fail.count, found.fail.ns > 0) == (1, True)


def test_each_protocol_model_has_its_own_sums_and_native_requests_are_in_none() -> None:
    shared = SharedCounters()
    for protocol_model, rows in (("moons", 2), ("moons.sample", 3), ("", 100)):
        endpoint(shared, protocol_model).count(answered_request(rows), 200, "")
    found = statistics.read(shared.sums())
    assert {name: sums.rows for (name, _), sums in found.items()} == {"moons": 2, "moons.sample": 3}


def test_the_statistics_of_two_worker_processes_agree_whichever_of_them_answers(
    new_counters: Callable[[], SharedCounters], settings: Settings
) -> None:
    apps = [create_app(settings, counters=new_counters()) for _ in range(2)]

    async def infer_and_read() -> list[dict[str, object]]:
        clients = [
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service.test") for app in apps
        ]
        for client in clients:
            answer = await client.post(INFER, json={"inputs": [INPUT]})
            assert answer.status_code == 200
        await clients[1].post(INFER, content=b"{")
        documents: list[dict[str, object]] = [(await client.get(STATS)).json() for client in clients]
        for client in clients:
            await client.aclose()
        return documents

    first, second = asyncio.run(infer_and_read())
    assert first == second
    match first["model_stats"]:
        case [{"inference_count": rows, "execution_count": requests, "inference_stats": {"fail": {"count": failed}}}]:
            assert (rows, requests, failed) == (6, 2, 1)
        case other:
            pytest.fail(f"unexpected statistics: {other}")
