"""When a client leaves, every request of its connection ends: the one that runs, and those that wait behind it."""

import asyncio
from typing import Final

import pytest
from starlette.types import Receive, Scope, Send

from tests.service.connections.opened import opened
from tests.service.connections.test_protocol import RecordingTransport, get

BLOCKS: Final = 50


@pytest.mark.parametrize("waiting", range(4))
def test_a_running_request_sees_that_its_client_has_left(waiting: int) -> None:
    messages = []

    async def application(_: Scope, receive: Receive, __: Send) -> None:
        await receive()
        messages.append(await receive())

    async def run() -> int:
        connection = opened(application)
        connection.protocol.data_received(get() * (1 + waiting))
        await asyncio.sleep(0.01)
        connection.transport.close()
        connection.protocol.connection_lost(None)
        await asyncio.wait_for(connection.answered(), 1)
        return len(connection.protocol.pipeline)

    assert asyncio.run(run()) == 0
    assert messages == [{"type": "http.disconnect"}]


@pytest.mark.parametrize("answered", range(3))
@pytest.mark.parametrize("waiting", range(3))
def test_a_stream_to_a_client_that_has_left_sends_nothing_more(answered: int, waiting: int) -> None:
    started = 0

    async def application(_: Scope, receive: Receive, send: Send) -> None:
        nonlocal started
        started += 1
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(BLOCKS if started > answered else 0):
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await asyncio.sleep(0.002 if number else 0.02)
        await send({"type": "http.response.body", "body": b""})

    async def run() -> int:
        connection = opened(application, transport=RecordingTransport())
        connection.protocol.data_received(get() * (answered + 1 + waiting))
        await asyncio.sleep(0.01)
        # The transport still takes data, as long as the stack of the network has not noticed.
        connection.protocol.connection_lost(ConnectionResetError())
        written = len(connection.transport.writes)
        await connection.answered()
        return len(connection.transport.writes) - written

    assert asyncio.run(run()) == 0
    assert started == answered + 1
