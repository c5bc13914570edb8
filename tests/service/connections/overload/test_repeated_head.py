"""A request with the head of an earlier one is recognized only if the parser would read the same from it."""

import asyncio
from typing import Final

import pytest
import uvicorn
from uvicorn.server import ServerState

from diffeo.service.connections.limits import ConnectionLimits
from diffeo.service.connections.overload.repeated_head import RepeatedHead
from diffeo.service.connections.protocol import ConnectionProtocol
from tests.service.connections.test_protocol import RecordingTransport, responding

HEAD: Final = b"POST /log_prob HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n"
POST: Final = HEAD + b"{}"
LONG: Final = HEAD.replace(b": 2", b": 9") + b"{}"
FIRST: Final = {
    "a request": POST,
    "an empty body": HEAD.replace(b": 2", b": 0"),
    "a request that asks to close": HEAD.replace(b"host", b"connection: close\r\nhost") + b"{}",
    "a request of HTTP/1.0": POST.replace(b"1.1", b"1.0"),
    "chunks": HEAD.replace(b"content-length: 2", b"transfer-encoding: chunked") + b"2\r\n{}\r\n0\r\n\r\n",
    "a request after empty lines": b"\r\n" + POST,
    "two requests": POST + POST,
    "a wish to upgrade": HEAD.replace(b"host", b"upgrade: x\r\nconnection: upgrade\r\nhost") + b"{}",
    "a health check": b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n",
}
NEXT: Final = {
    "the same again": lambda first: first,
    "another body": lambda first: first[:-2] + b"[]",
    "half a body": lambda first: first[:-1],
    "two of them": lambda first: first + first,
    "more than it": lambda first: first + b"G",
    "another head of the same length": lambda first: first.replace(b"host: x", b"host: y"),
    "another method": lambda first: first.replace(b"POST", b"HEAD"),
    "another length": lambda first: first.replace(b": 2", b": 1"),
    "half a head": lambda first: first[:30],
}


def answers_in_a_late_turn(first: bytes, then: bytes, *, recognizes: bool) -> list[bytes]:
    """All that is written to a connection that sends `first`, then `then` in a turn in which requests are late."""

    async def run() -> list[bytes]:
        config = uvicorn.Config(responding(b"ok"), log_config=None, access_log=False)
        config.load()
        state, shared, limits = ServerState(), dict[str, object](), ConnectionLimits(max_wait_seconds=0)
        transports = RecordingTransport(), RecordingTransport()
        kept, other = (ConnectionProtocol(config, state, shared, limits=limits) for _ in transports)
        for protocol, transport in zip((kept, other), transports, strict=True):
            protocol.connection_made(transport)
        kept.data_received(first)
        while state.tasks:
            await asyncio.gather(*state.tasks)
        if not recognizes:
            kept._repeated_head = RepeatedHead()  # noqa: SLF001  (the parser reads the next request)
        other.data_received(POST)
        if not transports[0].closed:
            kept.data_received(then)
        # The rest of a request that is not whole is another request.
        kept.data_received(POST)
        while state.tasks:
            await asyncio.gather(*state.tasks)
        return transports[0].writes

    return asyncio.run(run())


@pytest.mark.parametrize("then", NEXT)
@pytest.mark.parametrize("first", FIRST)
def test_a_recognized_request_is_answered_as_a_parsed_one(first: str, then: str) -> None:
    sent = FIRST[first], NEXT[then](FIRST[first])
    assert answers_in_a_late_turn(*sent, recognizes=True) == answers_in_a_late_turn(*sent, recognizes=False)


def test_the_same_request_is_recognized_in_any_body_of_the_same_length() -> None:
    repeated = RepeatedHead()
    assert not repeated.is_in(b"")
    assert not repeated.is_in(POST)
    repeated.note(POST, 2)
    assert repeated.is_in(POST)
    assert repeated.is_in(HEAD + b"[]")
    assert not repeated.is_in(HEAD + b"[1]")
    repeated.note(LONG, 9)
    assert not repeated.is_in(LONG)
    assert repeated.is_in(POST)
