"""The time in which the service itself does not read a connection is not the fault of its client."""

import asyncio
from typing import Final

import pytest

from diffeo.service.connections.limits import ConnectionLimits
from tests.service.connections.opened import Gate, opened
from tests.service.connections.test_protocol import get

SECONDS: Final = 0.1
LIMITS: Final = ConnectionLimits(head_seconds=SECONDS, body_seconds=SECONDS, bytes_per_second=10_000_000)
# The beginning and the rest of the last request.
LAST: Final = {
    "a head": (get()[:-5], get()[-5:]),
    "a body": (get(b"POST", b"content-length: 100000\r\n") + b"x" * 70_000, b"x" * 30_000),
    "chunks": (get(b"POST", b"transfer-encoding: chunked\r\n") + b"11170\r\n" + b"x" * 70_000, b"\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("comes", [True, False], ids=["the rest comes", "the rest never comes"])
@pytest.mark.parametrize("name", LAST)
def test_the_rest_of_a_request_has_its_time_after_a_pause_of_reading(name: str, *, comes: bool) -> None:
    start, rest = LAST[name]

    async def run() -> list[int]:
        gate = Gate()
        connection = opened(gate, LIMITS)
        connection.protocol.data_received(get())
        await asyncio.sleep(0.01)
        connection.protocol.data_received(get() + start)
        paused = [connection.transport.paused]
        await asyncio.sleep(4 * SECONDS)
        gate.event.set()
        await asyncio.sleep(SECONDS / 2)
        paused.append(connection.transport.paused)
        assert paused == [True, False]
        if comes:
            connection.protocol.data_received(rest)
        else:
            await asyncio.sleep(3 * SECONDS)
        await connection.answered()
        connection.protocol.connection_lost(None)
        return connection.statuses

    assert asyncio.run(run()) == [200, 200, 200 if comes else 408]
