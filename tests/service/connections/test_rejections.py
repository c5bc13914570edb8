"""After a rejection for overload, a connection is not read for a while, so that a client cannot hammer the service."""

import asyncio
import gc
import weakref
from typing import Final

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from diffeo.service.connections.limits import ConnectionLimits
from diffeo.service.connections.protocol import ConnectionProtocol
from tests.service.connections.opened import opened
from tests.service.connections.test_protocol import RecordingTransport

POST: Final = b"POST /log_prob HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
SECONDS: Final = 0.02


def paused_after(status: int, *, waits: float = 0.0) -> bool:
    """Whether a connection is not read, some seconds after a response with this status."""

    async def application(_: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async def run() -> bool:
        config = uvicorn.Config(application, log_config=None, access_log=False)
        config.load()
        state, transport = ServerState(), RecordingTransport()
        limits = ConnectionLimits(rejected_seconds=SECONDS)
        protocol = ConnectionProtocol(config, state, {}, limits=limits)
        protocol.connection_made(transport)
        protocol.data_received(POST)
        await asyncio.gather(*state.tasks)
        assert transport.writes
        await asyncio.sleep(waits)
        return transport.paused

    return asyncio.run(run())


def test_a_connection_is_not_read_after_a_rejection() -> None:
    assert paused_after(429)


def test_it_is_read_again_afterwards() -> None:
    assert not paused_after(429, waits=2 * SECONDS)


@pytest.mark.parametrize("status", [200, 400, 413, 503, 504])
def test_after_every_other_response_it_is_read_at_once(status: int) -> None:
    assert not paused_after(status)


# The bytes that come with a rejected request or during the pause after it, and the number of requests that they hold.
NEXT: Final = {
    "nothing": (b"", 0),
    "a request": (POST, 1),
    "three requests": (3 * POST, 3),
    "a long body": (POST.replace(b"content-length: 2", b"content-length: 90000").replace(b"{}", b"x" * 90_000), 1),
    "half a body": (POST[:-1], 1),
    "half a head": (POST[:30], 0),
    "no HTTP": (b"no http\r\n\r\n", 0),
}


@pytest.mark.parametrize("together", [True, False], ids=["with it", "after it"])
@pytest.mark.parametrize("name", NEXT)
def test_a_pause_ends_and_a_request_that_waits_keeps_its_own_pause(name: str, *, together: bool) -> None:
    data, requests = NEXT[name]

    async def run() -> None:
        gate = asyncio.Event()
        starts: list[Scope] = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            starts.append(scope)
            is_first = len(starts) == 1
            if not is_first:
                await gate.wait()
            await receive()
            status = 429 if is_first else 200
            await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})

        connection = opened(application, ConnectionLimits(rejected_seconds=SECONDS))
        protocol, transport = connection.protocol, connection.transport
        protocol.data_received(POST + data if together else POST)
        await asyncio.sleep(SECONDS / 4)
        if not together:
            protocol.data_received(data)
        await asyncio.sleep(2 * SECONDS)
        # A request that came in the pause may hold a second one or a long body, and then reading stays paused.
        assert transport.paused == (not together and (requests > 1 or name == "a long body"))
        gate.set()
        await connection.answered()
        await asyncio.sleep(2 * SECONDS)
        assert not transport.paused
        protocol.connection_lost(None)

    asyncio.run(run())


@pytest.mark.parametrize("data", [POST, POST[:-1]], ids=["whole", "half"])
def test_a_closed_connection_has_no_timer(data: bytes) -> None:
    async def application(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 429, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async def run() -> bool:
        connection = opened(application, ConnectionLimits(rejected_seconds=3600))
        connection.protocol.data_received(data)
        await connection.answered()
        assert connection.transport.paused
        connection.transport.close()
        connection.protocol.connection_lost(None)
        gone = weakref.ref(connection.protocol)
        del connection
        # The sweep over all connections ends when there is none.
        await asyncio.sleep(0.6)
        gc.collect()
        return gone() is None

    assert asyncio.run(run())
