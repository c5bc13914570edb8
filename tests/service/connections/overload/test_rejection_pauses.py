"""A pause after a rejection ends when the service has room again, and at the latest when the client may come back."""

import asyncio
from typing import Final

import pytest

from diffeo.service.connections.overload import rejection_pauses
from diffeo.service.connections.overload.rejection_pauses import RejectionPauses
from tests.given import skipping_loop

SECONDS: Final = 0.01
STEP: Final = rejection_pauses.STEP_SECONDS
LONGEST: Final = 0.1


@pytest.fixture(autouse=True)
def short_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejection_pauses, "LONGEST_SECONDS", LONGEST)


def ended(number: int, room: int, after: float) -> list[int]:
    """The numbers of the pauses that have ended some seconds after so many began together."""

    async def run() -> list[int]:
        ends: list[int] = []
        pauses = RejectionPauses(SECONDS, lambda: room)
        for each in range(number):
            pauses.add(lambda each=each: ends.append(each))  # type: ignore[misc]  # the default keeps the number
        await asyncio.sleep(after)
        return [*ends]

    return skipping_loop.run(run())


def test_no_pause_is_shorter_than_the_shortest() -> None:
    assert ended(5, room=100, after=SECONDS / 2) == []


def test_with_room_all_end_in_the_order_of_the_rejections() -> None:
    assert ended(5, room=100, after=3 * SECONDS) == [0, 1, 2, 3, 4]


def test_with_little_room_some_end_in_each_step() -> None:
    assert ended(1000, room=3, after=SECONDS + STEP / 2) == [0, 1, 2]
    assert ended(1000, room=3, after=SECONDS + 3 * STEP / 2) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("room", [0, -5])
def test_without_room_they_end_only_when_the_client_may_come_back(room: int) -> None:
    assert ended(5, room, after=LONGEST / 2) == []
    assert ended(5, room, after=2 * LONGEST) == [0, 1, 2, 3, 4]
