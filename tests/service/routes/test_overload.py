"""Limits under load: full queues, passed deadlines, and clients that disconnect."""

import asyncio
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from starlette.types import Message

from diffeo.bundle import npy
from tests.given.servers.gated_service import SECONDS, GatedService

ROWS = npy.write(np.zeros((8, 2), np.float32))
NPY = {"content-type": "application/x-npy"}


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[GatedService]:
    running = GatedService(monkeypatch)
    yield running
    running.gate.set()


def score(client: httpx.AsyncClient, **headers: str) -> "asyncio.Task[httpx.Response]":
    return asyncio.ensure_future(client.post("/log_prob", content=ROWS, headers={**NPY, **headers}))


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_a_full_queue_is_answered_at_once_with_a_retry_after(service: GatedService) -> None:
    async def main() -> tuple[httpx.Response, list[httpx.Response]]:
        async with service.client() as client:
            first = []
            for _ in range(3):
                first.append(score(client))
                await turns(20)
            # Four rows are in the engine and twenty are queued, so eight more rows exceed the limit.
            rejected = await score(client)
            service.gate.set()
            return rejected, list(await asyncio.gather(*first))

    rejected, first = asyncio.run(asyncio.wait_for(main(), SECONDS))
    assert (rejected.status_code, rejected.json()["type"]) == (429, "urn:diffeo:problem:overloaded")
    assert int(rejected.headers["retry-after"]) >= 1
    assert [response.status_code for response in first] == [200] * 3


def test_a_request_is_answered_when_its_deadline_passes(service: GatedService) -> None:
    async def main() -> httpx.Response:
        async with service.client() as client:
            return await score(client, **{"x-request-timeout-ms": "20"})

    response = asyncio.run(asyncio.wait_for(main(), SECONDS))
    assert (response.status_code, response.json()["type"]) == (504, "urn:diffeo:problem:deadline-passed")


def test_a_sample_has_a_deadline_too(service: GatedService) -> None:
    async def main() -> httpx.Response:
        async with service.client() as client:
            return await client.post("/sample?num_samples=100", headers={"x-request-timeout-ms": "20"})

    response = asyncio.run(asyncio.wait_for(main(), SECONDS))
    assert response.status_code == 504


@pytest.mark.parametrize("timeout", ["0", "-1", "1.5", "soon", "", "9" * 10])
def test_a_timeout_header_that_is_no_number_of_milliseconds_is_an_error(service: GatedService, timeout: str) -> None:
    async def main() -> httpx.Response:
        async with service.client() as client:
            return await score(client, **{"x-request-timeout-ms": timeout})

    assert asyncio.run(main()).status_code == 422


def test_a_client_can_only_shorten_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    service = GatedService(monkeypatch, timeout_seconds=0.02)

    async def main() -> httpx.Response:
        async with service.client() as client:
            return await score(client, **{"x-request-timeout-ms": "60000"})

    assert asyncio.run(asyncio.wait_for(main(), SECONDS)).status_code == 504
    service.gate.set()


def test_the_rows_of_a_client_that_disconnects_are_not_computed(service: GatedService) -> None:
    disconnected = asyncio.Event()

    async def receive() -> Message:
        if not received:
            received.append(True)
            return {"type": "http.request", "body": ROWS, "more_body": False}
        await disconnected.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message.get("status"))

    received: list[bool] = []
    sent: list[object] = []
    scope = {
        "type": "http", "method": "POST", "path": "/log_prob", "raw_path": b"/log_prob", "query_string": b"",
        "headers": [(b"content-type", b"application/x-npy")], "root_path": "", "scheme": "http",
        "server": ("test", 80),
    }  # fmt: skip

    async def main() -> None:
        request = asyncio.ensure_future(service.app(scope, receive, send))
        await turns(20)
        disconnected.set()
        await request
        service.gate.set()
        async with service.client() as client:
            assert (await score(client)).status_code == 200

    asyncio.run(asyncio.wait_for(main(), SECONDS))
    assert sent[0] == 499
    # One chunk of the first client was in the engine when it disconnected; its other chunk was never computed.
    assert service.rows == [4, 4, 4]
