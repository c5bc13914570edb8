"""One client cannot hold the downloads of all others."""

import contextlib

import pytest

from diffeo.service.downloads.slots import DownloadSlots
from diffeo.service.errors import Overloaded

MOST, SHARE = 8, 3


def taken(slots: DownloadSlots, client: str, times: int) -> int:
    """The number of slots that a client gets when it wants so many."""
    number = 0
    for _ in range(times):
        with contextlib.suppress(Overloaded):
            slots.take(client)
            number += 1
    return number


def test_a_client_gets_at_most_its_share_and_leaves_slots_to_others() -> None:
    slots = DownloadSlots(MOST, SHARE)
    assert [taken(slots, client, 10) for client in "abcd"] == [SHARE, SHARE, MOST - 2 * SHARE, 0]


@pytest.mark.parametrize("others", ["", "b", "bc"])
def test_a_slot_that_is_free_again_can_be_taken(others: str) -> None:
    slots = DownloadSlots(MOST, SHARE)
    taken(slots, "a", SHARE)
    for other in others:
        taken(slots, other, SHARE)
    for _ in range(3 * MOST):
        slots.free("a")
        assert taken(slots, "a", 2) == 1


def test_an_error_names_the_number_that_is_reached() -> None:
    slots = DownloadSlots(MOST, SHARE)
    taken(slots, "a", SHARE)
    with pytest.raises(Overloaded, match=f"{SHARE} downloads of this client run"):
        slots.take("a")
    for client in "bcd":
        taken(slots, client, SHARE)
    with pytest.raises(Overloaded, match=f"{MOST} downloads run"):
        slots.take("e")
