"""After a rejection for overload, a connection is not read for a while, so that a client cannot hammer the service."""

import asyncio
from typing import Final

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from diffeo.service.connections.limits import ConnectionLimits
from diffeo.service.connections.protocol import ConnectionProtocol
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
