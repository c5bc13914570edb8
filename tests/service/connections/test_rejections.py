"""After a rejection for overload, the next request waits for a while, so that a client cannot hammer the service."""

import asyncio
import gc
import weakref
from typing import Final

import pytest
from starlette.types import Receive, Scope, Send

from diffeo.service.connections.answering import MAX_HELD_BYTES
from diffeo.service.connections.limits import ConnectionLimits
from tests.service.connections.opened import opened

POST: Final = b"POST /log_prob HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
SECONDS: Final = 0.02


def answered_after(status: int, *, waits: float = 0.0) -> int:
    """How many of two requests are answered some seconds after the first one was answered with this status."""

    async def application(_: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async def run() -> int:
        connection = opened(application, ConnectionLimits(rejected_seconds=SECONDS))
        for _ in range(2):
            connection.protocol.data_received(POST)
            await connection.answered()
        await asyncio.sleep(waits)
        await connection.answered()
        return len(connection.statuses)

    return asyncio.run(run())


def test_a_request_after_a_rejected_one_waits() -> None:
    assert answered_after(429) == 1


def test_it_is_answered_after_the_pause() -> None:
    assert answered_after(429, waits=2 * SECONDS) == 2


@pytest.mark.parametrize("status", [200, 400, 413, 503, 504])
def test_after_every_other_response_the_next_request_is_answered_at_once(status: int) -> None:
    assert answered_after(status) == 2


def test_a_connection_that_sends_much_in_a_pause_is_not_read_until_its_end() -> None:
    async def application(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 429, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async def run() -> None:
        connection = opened(application, ConnectionLimits(rejected_seconds=SECONDS))
        protocol, transport = connection.protocol, connection.transport
        protocol.data_received(POST)
        await connection.answered()
        for _ in range(MAX_HELD_BYTES // len(POST)):
            protocol.data_received(POST)
        seen = [transport.paused]
        protocol.data_received(POST)
        seen.append(transport.paused)
        await asyncio.sleep(2 * SECONDS)
        seen.append(transport.paused)
        assert seen == [False, True, False]
        await connection.cancelled()
        protocol.connection_lost(None)

    asyncio.run(run())


def test_a_client_that_takes_no_answers_is_not_read() -> None:
    async def application(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 429, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async def run() -> None:
        connection = opened(application, ConnectionLimits(rejected_seconds=SECONDS))
        protocol = connection.protocol
        protocol.data_received(POST)
        await connection.answered()
        protocol.pause_writing()
        protocol.data_received(POST)
        await asyncio.sleep(3 * SECONDS)
        assert connection.statuses == [429]
        protocol.resume_writing()
        await asyncio.sleep(2 * SECONDS)
        await connection.answered()
        assert connection.statuses == [429, 429]
        protocol.connection_lost(None)

    asyncio.run(run())


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
def test_a_closed_connection_is_freed_at_the_end_of_its_pause(data: bytes) -> None:
    async def application(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 429, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async def run() -> bool:
        connection = opened(application, ConnectionLimits(rejected_seconds=SECONDS))
        connection.protocol.data_received(data)
        await connection.answered()
        connection.transport.close()
        connection.protocol.connection_lost(None)
        gone = weakref.ref(connection.protocol)
        del connection
        # The sweep over all connections ends when there is none.
        await asyncio.sleep(0.6)
        gc.collect()
        return gone() is None

    assert asyncio.run(run())
