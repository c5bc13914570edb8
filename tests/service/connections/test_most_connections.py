"""The number of open connections never exceeds the limit, whatever their clients do."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Final

import pytest
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from diffeo.service.connections.limits import ConnectionLimits
from diffeo.service.connections.protocol import ConnectionProtocol
from diffeo.service.connections.registry import Connections

LIMIT: Final = 12
HOST: Final = b"Host: a\r\n"
UNREAD: Final = HOST + b"Content-Length: 9999999\r\n\r\n"
LARGE: Final = b"x" * 8_000_000
# The bytes that each client sends. None of them reads.
KINDS: Final = {
    "silent": b"",
    "half a head": b"GET /livez HTTP/1.1\r\nHo",
    "a rejected head": b"no http\r\n\r\n",
    "an early answer before the body": b"POST /log_prob HTTP/1.1\r\n" + UNREAD,
    "a health check whose body never comes": b"GET /livez HTTP/1.1\r\n" + UNREAD,
    "a reader that takes nothing": b"GET /metrics HTTP/1.1\r\n" + HOST + b"\r\n",
    "idle": b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n",
    "idle, with an answer that it does not take": b"GET /models HTTP/1.1\r\n" + HOST + b"\r\n",
    "a second request that waits": (b"GET /metrics HTTP/1.1\r\n" + HOST + b"\r\n") * 2,
}
LOOPS: Final = {"asyncio": asyncio.run, "uvloop": uvloop.run}


async def application(scope: Scope, _: Receive, send: Send) -> None:
    """Answer before the body; metrics and models have long answers."""
    body = LARGE if scope["path"] in {"/metrics", "/models"} else b"ok"
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def most_open(requests: list[bytes]) -> int:
    """The largest number of open connections, while one client after the other connects and sends its bytes."""
    config = uvicorn.Config(application, log_config=None, access_log=False)
    config.load()
    registry = Connections(ConnectionLimits(max_connections=LIMIT))
    state: dict[str, object] = {"connections": registry, "memory": registry.memory}
    loop, server_state = asyncio.get_running_loop(), ServerState()
    server = await loop.create_server(lambda: ConnectionProtocol(config, server_state, state), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    clients, most = [], 0
    for request in requests:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(request)
        clients.append(writer)
        await asyncio.sleep(0.005)
        most = max(most, len(registry), len(server_state.connections))
    for writer in clients:
        writer.transport.abort()
    server.close()
    await asyncio.sleep(0.02)
    assert not len(registry)
    return most


@pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS.keys())
@pytest.mark.parametrize("kind", [*KINDS, "all kinds in turn"])
def test_no_kind_of_client_opens_more_connections_than_the_limit(
    kind: str, run: Callable[[Coroutine[None, None, int]], int]
) -> None:
    requests = [*KINDS.values()] * 5 if kind not in KINDS else [KINDS[kind]] * (4 * LIMIT)
    assert run(most_open(requests)) <= LIMIT
