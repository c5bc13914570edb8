"""A response is sent with one write, and nothing is held that a client waits for."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, NamedTuple

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from diffeo.service.connections.protocol import ConnectionProtocol
from diffeo.service.process.closing_app import ClosingApp

HEAD: Final = b"HTTP/1.1 200 OK\r\n"
LARGE: Final = b"x" * 200_000


class RecordingTransport(asyncio.Transport):
    """A transport that records the data of each write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False
        self.ended = False
        self.paused = False

    def write(self, data: "bytes | bytearray | memoryview[int]") -> None:
        self.writes.append(bytes(data))

    def writelines(self, list_of_data: "Iterable[bytes | bytearray | memoryview[int]]") -> None:
        self.writes.append(b"".join(list_of_data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0

    def write_eof(self) -> None:
        self.ended = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class Received(NamedTuple):
    """The writes that the client received, and whether it saw the end of the connection."""

    writes: list[bytes]
    closed: bool


Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def responding(*parts: bytes, length: bool = True) -> Application:
    """An application that reads the request and responds with `parts` as a stream."""

    async def application(_: Scope, receive: Receive, send: Send) -> None:
        await receive()
        headers = [(b"content-length", b"%d" % sum(map(len, parts)))] if length else []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number, part in enumerate(parts, 1):
            await send({"type": "http.response.body", "body": part, "more_body": number < len(parts)})

    return application


def response_to(application: Application, request: bytes, replacement: Application | None = None) -> Received:
    """One request on a fresh connection.

    Args:
        application: of the server when it accepts the connection.
        request: the data that the client sends.
        replacement: the application of the server when the connection is made, a moment later.
    """

    async def run() -> Received:
        transport = RecordingTransport()
        config = uvicorn.Config(application, log_config=None, access_log=False)
        config.load()
        state = ServerState()
        protocol = ConnectionProtocol(config, state, app_state={})
        config.loaded_app = replacement or config.loaded_app
        protocol.connection_made(transport)
        protocol.data_received(request)
        while state.tasks:
            await asyncio.gather(*state.tasks, return_exceptions=True)
        received = Received([*transport.writes], transport.closed or transport.ended)
        protocol.connection_lost(None)
        return received

    return asyncio.run(run())


def get(method: bytes = b"GET", headers: bytes = b"") -> bytes:
    return method + b" / HTTP/1.1\r\nhost: x\r\n" + headers + b"\r\n"


@pytest.mark.parametrize("body", [b"", b"a", LARGE], ids=["empty", "small", "large"])
def test_a_response_is_one_write(body: bytes) -> None:
    (answer,), closed = response_to(responding(body), get())
    head, _, sent = answer.partition(b"\r\n\r\n")
    assert head.startswith(HEAD[:-2])
    assert sent == body
    assert not closed


def test_each_part_of_a_stream_is_sent_at_once_and_the_head_with_the_first() -> None:
    first, second, third = response_to(responding(b"one", b"two", b"three"), get()).writes
    assert first.startswith(HEAD)
    assert first.endswith(b"\r\n\r\none")
    assert (second, third) == (b"two", b"three")


def test_a_response_to_head_is_a_head() -> None:
    (answer,) = response_to(responding(b"four"), get(b"HEAD")).writes
    assert answer.startswith(HEAD)
    assert answer.endswith(b"\r\n\r\n")
    assert b"content-length: 4\r\n" in answer


def test_a_connection_that_was_accepted_before_a_stop_is_closed_after_its_response() -> None:
    application = responding(b"a")
    (answer,), closed = response_to(application, get(), replacement=ClosingApp(application))
    assert b"connection: close\r\n" in answer.lower()
    assert closed


def test_a_body_that_looks_like_a_head_is_sent() -> None:
    forged = b"HTTP/1.1 200 OK\r\n\r\n"
    sent = b"".join(response_to(responding(b"a", forged, forged), get()).writes)
    assert sent.endswith(b"\r\n\r\na" + forged + forged)


def test_a_client_that_waits_for_100_continue_gets_it() -> None:
    interim, answer = response_to(
        responding(b"a"), get(b"POST", b"expect: 100-continue\r\ncontent-length: 0\r\n")
    ).writes
    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.startswith(HEAD)


def test_a_request_that_is_not_http_gets_400_and_the_connection_is_closed() -> None:
    received = response_to(responding(b"a"), b"no http\r\n\r\n")
    assert b"".join(received.writes).startswith(b"HTTP/1.1 400")
    assert received.closed


def test_a_response_is_sent_before_its_connection_is_closed() -> None:
    received = response_to(responding(b"a"), get(headers=b"connection: close\r\n"))
    assert b"".join(received.writes).endswith(b"\r\n\r\na")
    assert received.closed


def test_the_head_of_a_broken_response_is_sent() -> None:
    async def broken(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        raise ZeroDivisionError

    received = response_to(broken, get())
    assert b"".join(received.writes).startswith(HEAD)
    assert received.closed
