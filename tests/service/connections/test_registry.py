"""The number of connections is bounded: idle ones make room, and beyond the limit the newest few are still read."""

import asyncio
from collections.abc import Callable

from diffeo.service.connections.limits import ConnectionLimits
from diffeo.service.connections.memory import MemoryBudget
from diffeo.service.connections.registry import Connections

LIMITS = ConnectionLimits(max_connections=12, head_seconds=0.04)
# Of 12 connections, 4 are beyond the limit of 8.
MOST = 8
EXTRA = 4


class FakeConnection:
    """A connection that notes what is done to it."""

    def __init__(self, since: float = 0.0, *, is_idle: bool = False) -> None:
        self.since = since
        self.is_idle = is_idle
        self.closed = False
        self.turned_away = False
        self.checks = 0

    def check(self, now: float) -> None:
        assert now > 0
        self.checks += 1

    def close_idle(self) -> None:
        self.closed = True

    def turn_away(self) -> None:
        self.turned_away = True


def in_loop(scenario: Callable[[Connections], None]) -> None:
    async def run() -> None:
        connections = Connections(LIMITS, MemoryBudget(1))
        scenario(connections)
        await asyncio.sleep(0)

    asyncio.run(run())


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.005)
    raise AssertionError


def test_beyond_the_limit_the_oldest_of_the_extra_connections_is_turned_away() -> None:
    def scenario(connections: Connections) -> None:
        assert not any(connections.add(FakeConnection()) for _ in range(MOST))
        extra = [FakeConnection() for _ in range(EXTRA + 2)]
        assert [connections.add(each) for each in extra] == [True] * len(extra)
        assert [each.turned_away for each in extra] == [True, True, False, False, False, False]

    in_loop(scenario)


def test_a_closed_connection_makes_room() -> None:
    def scenario(connections: Connections) -> None:
        first, *_ = opened = [FakeConnection() for _ in range(MOST)]
        for each in opened:
            connections.add(each)
        connections.remove(first)
        assert len(connections) == MOST - 1
        assert not connections.add(FakeConnection())

    in_loop(scenario)


def test_the_connection_that_is_idle_for_the_longest_time_makes_room() -> None:
    async def run() -> None:
        connections = Connections(LIMITS, MemoryBudget(1))
        opened = [FakeConnection(since, is_idle=since > 2) for since in range(MOST)]
        for each in opened:
            connections.add(each)
        await until(lambda: opened[0].checks > 0)
        opened[3].is_idle = False
        assert not connections.add(FakeConnection())
        assert [each.since for each in opened if each.closed] == [4]

    asyncio.run(run())


def test_every_connection_is_checked_again_and_again_and_an_empty_process_sleeps() -> None:
    async def run() -> None:
        connections = Connections(LIMITS, MemoryBudget(1))
        connection = FakeConnection()
        connections.add(connection)
        await until(lambda: connection.checks > 1)
        connections.remove(connection)
        await asyncio.sleep(0.05)
        assert len([task for task in asyncio.all_tasks() if not task.done()]) == 1

    asyncio.run(run())
