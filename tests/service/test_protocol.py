"""One answer is one write, and nothing is kept that somebody waits for."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from diffeo.service.process.http_protocol import OneWriteProtocol

HEAD: Final = b"HTTP/1.1 200 OK\r\n"
LARGE: Final = b"x" * 200_000


class Wire(asyncio.Transport):
    """A transport that keeps what is written, one entry a call."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.writes.append(bytes(data))

    def writelines(self, parts: Iterable[bytes]) -> None:
        self.writes.append(b"".join(parts))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Seen(NamedTuple):
    """What the client saw."""

    writes: list[bytes]
    closed: bool


Application = Callable[[Scope, Receive, Send], object]


def answering(*parts: bytes, length: bool = True) -> Application:
    """An application that reads the body and answers with `parts`."""

    async def application(_: Scope, receive: Receive, send: Send) -> None:
        await receive()
        headers = [(b"content-length", b"%d" % sum(map(len, parts)))] if length else []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number, part in enumerate(parts, 1):
            await send({"type": "http.response.body", "body": part, "more_body": number < len(parts)})

    return application


def exchange(application: Application, request: bytes) -> Seen:
    """One request on a fresh connection."""

    async def run() -> Seen:
        wire = Wire()
        config = uvicorn.Config(application, log_config=None, access_log=False)
        config.load()
        state = ServerState()
        protocol = OneWriteProtocol(config, state, app_state={})
        protocol.connection_made(wire)
        protocol.data_received(request)
        while state.tasks:
            await asyncio.gather(*state.tasks, return_exceptions=True)
        seen = Seen([*wire.writes], wire.closed)
        # The timer that closes an idle connection must not outlive the test.
        protocol.connection_lost(None)
        return seen

    return asyncio.run(run())


def get(method: bytes = b"GET", headers: bytes = b"") -> bytes:
    return method + b" / HTTP/1.1\r\nhost: x\r\n" + headers + b"\r\n"


@pytest.mark.parametrize("body", [b"", b"a", LARGE], ids=["nothing", "little", "much"])
def test_an_answer_is_one_write(body: bytes) -> None:
    (answer,), closed = exchange(answering(body), get())
    head, _, sent = answer.partition(b"\r\n\r\n")
    assert head.startswith(HEAD[:-2])
    assert sent == body
    assert not closed


def test_the_parts_of_a_stream_leave_as_they_come_and_the_head_with_the_first() -> None:
    first, second, third = exchange(answering(b"one", b"two", b"three"), get()).writes
    assert first.startswith(HEAD)
    assert first.endswith(b"\r\n\r\none")
    assert (second, third) == (b"two", b"three")


def test_an_answer_to_head_is_a_head() -> None:
    (answer,) = exchange(answering(b"four"), get(b"HEAD")).writes
    assert answer.startswith(HEAD)
    assert answer.endswith(b"\r\n\r\n")
    assert b"content-length: 4\r\n" in answer


def test_a_body_that_looks_like_a_head_arrives() -> None:
    forged = b"HTTP/1.1 200 OK\r\n\r\n"
    sent = b"".join(exchange(answering(b"a", forged, forged), get()).writes)
    assert sent.endswith(b"\r\n\r\na" + forged + forged)


def test_a_client_that_waits_for_a_word_before_its_body_gets_it() -> None:
    interim, answer = exchange(answering(b"a"), get(b"POST", b"expect: 100-continue\r\ncontent-length: 0\r\n")).writes
    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.startswith(HEAD)


def test_what_is_no_http_is_refused_and_the_connection_closed() -> None:
    seen = exchange(answering(b"a"), b"no http\r\n\r\n")
    assert b"".join(seen.writes).startswith(b"HTTP/1.1 400")
    assert seen.closed


def test_a_connection_that_shall_close_has_its_answer_before() -> None:
    seen = exchange(answering(b"a"), get(headers=b"connection: close\r\n"))
    assert b"".join(seen.writes).endswith(b"\r\n\r\na")
    assert seen.closed


def test_an_answer_that_breaks_off_shows_its_head() -> None:
    async def broken(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        raise ZeroDivisionError

    seen = exchange(broken, get())
    assert b"".join(seen.writes).startswith(HEAD)
    assert seen.closed
