"""A server whose application fails at its start ends with an exit code that says so, and accepts no connection."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from diffeo.service.process.channel import Channel
from diffeo.service.process.graceful_server import STARTUP_FAILURE, GracefulServer
from diffeo.service.process.server import server_config
from diffeo.service.process.worker import WorkerServer
from diffeo.service.settings import Settings

SECONDS = 20  # time limit of a server that would serve on
Create = Callable[[ASGIApp], GracefulServer]


async def report_failure(_: Scope, receive: Receive, send: Send) -> None:
    """An application that says that its start failed."""
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "the disk is full"})


async def raise_at_once(_: Scope, __: Receive, ___: Send) -> None:
    """An application that raises before it says anything."""
    raise RuntimeError("a part of the application is missing")


async def raise_later(_: Scope, receive: Receive, __: Send) -> None:
    """An application that raises while it starts."""
    await receive()
    raise OSError("the disk is full")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound


@pytest.fixture(params=["alone", "worker"])
def create(request: pytest.FixtureRequest, listener: socket.socket, tmp_path: Path) -> Iterator[Create]:
    """Creates a server of each kind; at the end, none has told its supervisor that it is ready."""
    ours, theirs = Channel.pair()
    settings = Settings(models=tmp_path)

    def create(app: ASGIApp) -> GracefulServer:
        config = server_config(app, settings)
        if request.param == "alone":
            return GracefulServer(config, [listener])
        return WorkerServer(config, [listener], Channel(theirs), stop_delay=0.0)

    yield create
    assert ours.receive() == []
    ours.close()
    theirs.close()


@pytest.mark.parametrize("app", [report_failure, raise_at_once, raise_later])
def test_an_application_that_fails_at_its_start_ends_the_server_before_it_listens(
    app: ASGIApp, create: Create, listener: socket.socket
) -> None:
    async def serve() -> None:
        async with asyncio.timeout(SECONDS):
            await create(app).serve()

    with pytest.raises(SystemExit) as end:
        asyncio.run(serve())
    assert end.value.code == STARTUP_FAILURE
    assert not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
