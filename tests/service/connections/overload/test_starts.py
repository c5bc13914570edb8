"""Reading heads takes a part of the longest wait; requests that are read later are rejected without a handler."""

import asyncio
from collections.abc import Callable
from typing import Final

import pytest
import uvicorn
from uvicorn.server import ServerState

from diffeo.service.connections.limits import ConnectionLimits
from diffeo.service.connections.overload.starts import Starts
from diffeo.service.connections.protocol import ConnectionProtocol
from tests.service.connections.test_protocol import RecordingTransport, responding

POST: Final = b"POST /log_prob HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
HEALTH: Final = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n"
LONG: Final = b"POST /log_prob HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n{}"


def turn_of(starts: Starts, number: int) -> None:
    """Requests that the event loop reads in one turn, and their handlers."""
    for _ in range(number):
        starts.add()
    for _ in range(number):
        starts.began()


class Clock:
    """A clock that stands still until it is set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("request_seconds", "most"), [(0.0001, 300), (0.00015, 200), (0.00005, 600), (0.01, 180)])
def test_one_turn_takes_as_many_requests_as_are_answered_in_a_third_of_the_longest_wait(
    request_seconds: float, most: int
) -> None:
    clock = Clock()
    starts = Starts(0.09, clock)
    for _ in range(200):
        turn_of(starts, 50)
        clock.now += 50 * request_seconds
    for _ in range(most - 2):
        starts.add()
    assert not starts.are_late()
    for _ in range(3):
        starts.add()
    assert starts.are_late()


def test_the_time_in_which_the_event_loop_waits_for_work_is_not_that_of_a_request() -> None:
    clock = Clock()
    starts = Starts(0.09, clock)
    for _ in range(200):
        turn_of(starts, 3)
        clock.now += 10
    for _ in range(300):
        starts.add()
    assert not starts.are_late()


def test_one_turn_that_a_busy_machine_delays_counts_little() -> None:
    clock = Clock()
    starts = Starts(0.09, clock)
    for seconds in (0.005, 30.0, 0.005):
        turn_of(starts, 50)
        clock.now += seconds
    starts.add()
    assert starts.room() > 100


class Turn:
    """Connections that the event loop reads in one turn, each with what was written to it.

    Args:
        max_wait_seconds: the longest wait of a request.
    """

    def __init__(self, max_wait_seconds: float) -> None:
        config = uvicorn.Config(responding(b"ok"), log_config=None, access_log=False)
        config.load()
        self._limits = ConnectionLimits(max_wait_seconds=max_wait_seconds)
        self._config, self._state, self._app_state = config, ServerState(), dict[str, object]()
        self._opened: list[ConnectionProtocol] = []

    def read(self, data: bytes) -> RecordingTransport:
        """Read data from a new connection."""
        transport = RecordingTransport()
        protocol = ConnectionProtocol(self._config, self._state, self._app_state, limits=self._limits)
        protocol.connection_made(transport)
        protocol.data_received(data)
        self._opened.append(protocol)
        return transport

    def read_again(self, data: bytes) -> None:
        """Read data from the connection that was opened last."""
        self._opened[-1].data_received(data)

    async def end(self) -> None:
        """Run the handlers, also those of requests that wait because an earlier one was rejected."""
        for seconds in (0.0, 2 * self._limits.rejected_seconds):
            await asyncio.sleep(seconds)
            while self._state.tasks:
                await asyncio.gather(*self._state.tasks)


def in_turn(scenario: Callable[[Turn], list[RecordingTransport]], max_wait_seconds: float = 0.0) -> list[bytes]:
    """The bytes that were written to each connection of a scenario."""

    async def run() -> list[bytes]:
        turn = Turn(max_wait_seconds)
        transports = scenario(turn)
        await turn.end()
        return [b"".join(transport.writes) for transport in transports]

    return asyncio.run(run())


def test_in_one_turn_the_first_request_is_answered_and_late_ones_are_rejected_at_once() -> None:
    first, second, third = in_turn(lambda turn: [turn.read(POST) for _ in range(3)])
    assert first.startswith(b"HTTP/1.1 200")
    for late in (second, third):
        assert late.startswith(b"HTTP/1.1 429")
        assert b"\r\nretry-after: 1\r\n" in late
        assert b"urn:diffeo:problem:overloaded" in late


def test_within_the_longest_wait_every_request_is_answered() -> None:
    answers = in_turn(lambda turn: [turn.read(POST) for _ in range(20)], max_wait_seconds=60)
    assert {answer[:12] for answer in answers} == {b"HTTP/1.1 200"}


def test_health_checks_are_answered_at_any_load() -> None:
    _, late, health = in_turn(lambda turn: [turn.read(POST), turn.read(POST), turn.read(HEALTH)])
    assert late.startswith(b"HTTP/1.1 429")
    assert health.startswith(b"HTTP/1.1 200")


def test_the_connection_of_a_late_request_is_kept_for_the_next_one() -> None:
    def scenario(turn: Turn) -> list[RecordingTransport]:
        turn.read(POST)
        transport = turn.read(POST)
        turn.read_again(HEALTH)
        assert not transport.closed
        return [transport]

    (written,) = in_turn(scenario)
    assert [part[:3] for part in written.split(b"HTTP/1.1 ")[1:]] == [b"429", b"200"]


@pytest.mark.parametrize("last", [LONG, POST.replace(b"1.1", b"1.0"), LONG + POST], ids=["long", "1.0", "more"])
def test_a_connection_that_cannot_be_kept_is_closed_after_the_answer(last: bytes) -> None:
    transports: list[RecordingTransport] = []

    def scenario(turn: Turn) -> list[RecordingTransport]:
        turn.read(POST)
        transports.append(turn.read(last))
        return transports

    (written,) = in_turn(scenario)
    assert written.count(b"HTTP/1.1 ") == 1
    assert written.startswith(b"HTTP/1.1 429")
    assert b"\r\nconnection: close\r\n" in written
    assert transports[0].ended or transports[0].closed
