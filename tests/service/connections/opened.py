"""A connection whose transport is a recording one, and applications that answer on it."""

import asyncio
from typing import NamedTuple

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from diffeo.service.connections.limits import ConnectionLimits
from diffeo.service.connections.protocol import ConnectionProtocol
from tests.service.connections.test_protocol import Application, RecordingTransport


class Opened(NamedTuple):
    """One connection.

    Attributes:
        protocol: receives and answers.
        transport: records the answers.
        state: the tasks of the requests.
    """

    protocol: ConnectionProtocol
    transport: RecordingTransport
    state: ServerState

    @property
    def statuses(self) -> list[int]:
        """The statuses of all answers."""
        parts = b"".join(self.transport.writes).split(b"HTTP/1.1 ")[1:]
        return [int(part[:3]) for part in parts]

    async def answered(self) -> None:
        """Wait until no request runs."""
        while self.state.tasks:
            await asyncio.gather(*self.state.tasks, return_exceptions=True)

    async def cancelled(self) -> None:
        """Cancel the requests that run."""
        for task in self.state.tasks:
            task.cancel()
        await self.answered()


def opened(
    application: Application, limits: ConnectionLimits | None = None, transport: RecordingTransport | None = None
) -> Opened:
    """A new connection; call this in an event loop."""
    config = uvicorn.Config(application, log_config=None, access_log=False)
    config.load()
    state, transport = ServerState(), transport or RecordingTransport()
    protocol = ConnectionProtocol(config, state, {}, limits=limits)
    protocol.connection_made(transport)
    return Opened(protocol, transport, state)


class Gate:
    """An application whose answers wait until `event` is set; 408 if a body did not arrive."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        while (message := await receive())["type"] == "http.request" and message["more_body"]:
            pass
        status = 200 if message["type"] == "http.request" else 408
        await self.event.wait()
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})
