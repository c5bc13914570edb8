"""Too much, too late, or for nobody: what the service does not compute, and how it says so."""

import asyncio
import threading
from collections.abc import Iterator

import affine
import httpx
import numpy as np
import pytest

from bundle import npy
from service.app import create_app
from service.engines import ENGINES
from service.engines.engine import Engine, Graphs, Tensors
from service.settings import Settings

SECONDS = 10  # how long a test waits for what happens at once
ROWS = npy.write(np.zeros((8, 2), np.float32))
NPY = {"content-type": "application/x-npy"}


class Gated:
    """The engine of the bundle, once the gate is open; counts the rows that came to it."""

    def __init__(self, engine: Engine, gate: threading.Event, rows: list[int]) -> None:
        self._engine = engine
        self._gate = gate
        self._rows = rows

    def run(self, tensors: Tensors) -> Tensors:
        assert self._gate.wait(SECONDS)
        self._rows.append(len(next(iter(tensors.values()))))
        return self._engine.run(tensors)


class Service:
    """An app whose engines wait for a gate, and the exchanges of one loop with it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, timeout_seconds: float = SECONDS) -> None:
        self.gate, self.rows = threading.Event(), list[int]()
        load = ENGINES["onnx"]

        def gated(graphs: Graphs, settings: Settings) -> tuple[Engine, Engine]:
            forward, inverse = load(graphs, settings)
            return Gated(forward, self.gate, self.rows), Gated(inverse, self.gate, self.rows)

        monkeypatch.setitem(ENGINES, "onnx", gated)
        # Nothing here is cheap enough to be computed on the loop, which must not wait for the gate.
        monkeypatch.setattr("service.batcher.INLINE_SECONDS", 0)
        self.gate.set()
        limits = {"max_queue_rows": 20, "timeout_seconds": timeout_seconds}
        self.app = create_app(Settings(models=affine.DATA, threads=1, chunk_rows=4, **limits))
        self.gate.clear()
        self.rows.clear()

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://service.test")


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    running = Service(monkeypatch)
    yield running
    running.gate.set()


def score(client: httpx.AsyncClient, **headers: str) -> "asyncio.Task[httpx.Response]":
    return asyncio.ensure_future(client.post("/log_prob", content=ROWS, headers={**NPY, **headers}))


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_a_full_queue_is_told_at_once_with_the_time_to_come_back(service: Service) -> None:
    async def main() -> tuple[httpx.Response, list[httpx.Response]]:
        async with service.client() as client:
            first = []
            for _ in range(3):
                first.append(score(client))
                await turns(20)
            # Four rows are in the engine, twenty wait: there is no room for eight more.
            refused = await score(client)
            service.gate.set()
            return refused, list(await asyncio.gather(*first))

    refused, first = asyncio.run(asyncio.wait_for(main(), SECONDS))
    assert (refused.status_code, refused.json()["type"]) == (429, "urn:diffeo:problem:overloaded")
    assert int(refused.headers["retry-after"]) >= 1
    assert [response.status_code for response in first] == [200] * 3


def test_a_deadline_is_answered_when_it_passes(service: Service) -> None:
    async def main() -> httpx.Response:
        async with service.client() as client:
            return await score(client, **{"x-request-timeout-ms": "20"})

    response = asyncio.run(asyncio.wait_for(main(), SECONDS))
    assert (response.status_code, response.json()["type"]) == (504, "urn:diffeo:problem:deadline-passed")


def test_a_sample_has_a_deadline_too(service: Service) -> None:
    async def main() -> httpx.Response:
        async with service.client() as client:
            return await client.post("/sample?num_samples=100", headers={"x-request-timeout-ms": "20"})

    response = asyncio.run(asyncio.wait_for(main(), SECONDS))
    assert response.status_code == 504


@pytest.mark.parametrize("wish", ["0", "-1", "1.5", "soon", "", "9" * 10])
def test_a_deadline_that_is_no_time_is_refused(service: Service, wish: str) -> None:
    async def main() -> httpx.Response:
        async with service.client() as client:
            return await score(client, **{"x-request-timeout-ms": wish})

    assert asyncio.run(main()).status_code == 422


def test_a_client_may_only_shorten_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(monkeypatch, timeout_seconds=0.02)

    async def main() -> httpx.Response:
        async with service.client() as client:
            return await score(client, **{"x-request-timeout-ms": "60000"})

    assert asyncio.run(asyncio.wait_for(main(), SECONDS)).status_code == 504
    service.gate.set()


def test_the_rows_of_a_client_who_leaves_are_not_computed(service: Service) -> None:
    left = asyncio.Event()

    async def receive() -> dict[str, object]:
        if not received:
            received.append(True)
            return {"type": "http.request", "body": ROWS, "more_body": False}
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        sent.append(message.get("status"))

    received: list[bool] = []
    sent: list[object] = []
    scope = {
        "type": "http", "method": "POST", "path": "/log_prob", "raw_path": b"/log_prob", "query_string": b"",
        "headers": [(b"content-type", b"application/x-npy")], "root_path": "", "scheme": "http",
        "server": ("test", 80),
    }  # fmt: skip

    async def main() -> None:
        exchange = asyncio.ensure_future(service.app(scope, receive, send))
        await turns(20)
        left.set()
        await exchange
        service.gate.set()
        async with service.client() as client:
            assert (await score(client)).status_code == 200

    asyncio.run(asyncio.wait_for(main(), SECONDS))
    assert sent[0] == 499
    # One chunk of the first client was in the engine when it left; its other chunk never got there.
    assert service.rows == [4, 4, 4]
