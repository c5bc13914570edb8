"""A client takes an answer at the slowest pace or faster, however it distributes its pauses; else it is reset."""

import asyncio
from typing import Final

import pytest
from starlette.types import Receive, Scope, Send

from diffeo.service.connections import answering
from diffeo.service.connections.limits import ConnectionLimits
from diffeo.service.connections.reader_pace import ReaderPace
from tests.service.connections.opened import Opened, opened
from tests.service.connections.test_protocol import RecordingTransport, get

BLOCK: Final = 64 * 1024
RATE: Final = 16 * 1024
LIMITS: Final = ConnectionLimits(write_seconds=30, bytes_per_second=RATE)
HOUR: Final = 3600.0


class Clock:
    """The time, which tests move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(answering, "monotonic", clock)
    return clock


class SlowTransport(RecordingTransport):
    """A transport whose client takes nothing by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.buffered = 0
        self.reset = False

    def write(self, data: "bytes | bytearray | memoryview[int]") -> None:
        super().write(data)
        self.buffered += len(data)

    def get_write_buffer_size(self) -> int:
        return self.buffered

    def abort(self) -> None:
        self.reset = self.closed = True


def seconds_until_reset(
    connection: Opened, transport: SlowTransport, clock: Clock, pauses: tuple[float, float]
) -> float:
    """Give the client a block after a pause, and produce the next one after another pause, for up to an hour."""
    began = clock.now
    reading, producing = pauses
    while clock.now - began < HOUR and not transport.reset:
        connection.protocol.transport.write(b"x" * BLOCK)
        connection.protocol.pause_writing()
        clock.now += reading
        connection.protocol.check(clock.now)
        transport.buffered = 0
        connection.protocol.resume_writing()
        clock.now += producing
        connection.protocol.check(clock.now)
    return clock.now - began


async def streaming(_: Scope, receive: Receive, send: Send) -> None:
    """An answer that does not end."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await asyncio.Event().wait()


# Seconds until the client takes a block, seconds until the server has the next one, and whether the client is legal.
PACES: Final = {
    "a block at the end of each pause": (29.0, 0.0, False),
    "half of the slowest pace": (2 * BLOCK / RATE, 0.0, False),
    "a little faster than the slowest pace": (0.9 * BLOCK / RATE, 0.0, True),
    "a slow server": (0.1, 60.0, True),
}


@pytest.mark.parametrize("name", PACES)
def test_a_reader_is_reset_if_it_is_slower_than_the_slowest_pace(name: str, clock: Clock) -> None:
    reading, producing, is_legal = PACES[name]

    async def run() -> float:
        transport = SlowTransport()
        connection = opened(streaming, LIMITS, transport)
        connection.protocol.data_received(get())
        await asyncio.sleep(0)
        seconds = seconds_until_reset(connection, transport, clock, (reading, producing))
        connection.protocol.connection_lost(None)
        await connection.cancelled()
        return seconds

    seconds = asyncio.run(run())
    assert (seconds >= HOUR) == is_legal
    assert is_legal or seconds < 4 * LIMITS.write_seconds


def test_pauses_of_an_answer_that_was_taken_do_not_count_for_the_next_one() -> None:
    pace = ReaderPace()
    for start in range(0, 1000, 100):
        pace.pause(start, start * BLOCK)
        assert not pace.is_slow(start + 29, start * BLOCK, 30, RATE)
        pace.resume(start + 29)
        pace.restart()


def test_bytes_count_from_the_first_pause() -> None:
    pace = ReaderPace()
    pace.pause(0, 1_000_000)
    assert pace.is_slow(31, 1_000_000, 30, RATE)
    assert not pace.is_slow(31, 1_000_000 + 2 * RATE, 30, RATE)
    pace.resume(31)
    pace.pause(31, 1_000_000 + 2 * RATE)
    assert not pace.is_slow(31.9, 1_000_000 + 2 * RATE, 30, RATE)
    assert pace.is_slow(32.1, 1_000_000 + 2 * RATE, 30, RATE)


@pytest.mark.parametrize("closing", [b"connection: close\r\n", b"content-length: 9999999\r\n", b""])
def test_a_legal_reader_has_time_for_the_end_of_an_answer_that_was_handed_over_long_ago(
    closing: bytes, clock: Clock
) -> None:
    async def answering_early(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000000")]})
        await send({"type": "http.response.body", "body": b"x" * 1_000_000})

    async def run() -> tuple[bool, bool]:
        transport = SlowTransport()
        connection = opened(answering_early, LIMITS, transport)
        connection.protocol.data_received(get(b"POST", closing))
        await connection.answered()
        was_closed = transport.closed
        transport.buffered = 1_000_000
        connection.protocol.pause_writing()
        for taken in range(0, 1_000_000, 2 * RATE):
            transport.buffered = 1_000_000 - taken
            connection.protocol.check(clock.now)
            clock.now += 2
        transport.buffered = 1000
        connection.protocol.resume_writing()
        connection.protocol.check(clock.now)
        connection.protocol.check(clock.now + 1)
        stays = not transport.reset and transport.closed == was_closed
        connection.protocol.check(clock.now + 100)
        connection.protocol.check(clock.now + 200)
        return stays, transport.reset or transport.closed

    assert asyncio.run(run()) == (True, True)
