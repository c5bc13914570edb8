"""The order of the queue: clients take turns, short requests go first, and nobody starves. Time is virtual here."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffeo.service.observability.timing import RequestTiming
from diffeo.service.row_queue import PendingRequest, RowQueue
from tests.given.servers.doubling_engine import rows_of

CALL_ROWS = 10


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


def add(queue: RowQueue, loop: asyncio.AbstractEventLoop, client: str, rows: int) -> PendingRequest:
    request = PendingRequest(rows_of(0, rows), loop.create_future(), queue, None, RequestTiming(), client)
    queue.add(request)
    return request


def drain(queue: RowQueue) -> list[PendingRequest]:
    """The requests in the order in which their last rows are taken."""
    ended: list[PendingRequest] = []
    while slices := queue.take(CALL_ROWS):
        ended.extend(request for request, rows in slices if rows.stop == len(request.rows))
    return ended


sizes = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 60)), min_size=1, max_size=25)


@given(requests=sizes)
def test_every_call_is_full_while_rows_wait_and_every_row_is_taken_once(requests: list[tuple[str, int]]) -> None:
    loop = asyncio.new_event_loop()
    queue = RowQueue(CALL_ROWS)
    pending = [add(queue, loop, *each) for each in requests]
    taken: dict[int, list[int]] = {id(each): [] for each in pending}
    while queue.rows:
        waiting = queue.rows
        slices = queue.take(CALL_ROWS)
        assert sum(rows.stop - rows.start for _, rows in slices) == min(waiting, CALL_ROWS)
        for request, rows in slices:
            taken[id(request)].extend(range(rows.start, rows.stop))
    assert [taken[id(each)] for each in pending] == [list(range(len(each.rows))) for each in pending]
    loop.close()


def test_a_polite_client_gets_every_second_call_beside_a_greedy_one(loop: asyncio.AbstractEventLoop) -> None:
    queue = RowQueue(CALL_ROWS)
    for _ in range(64):
        add(queue, loop, "greedy", 100)
    queue.take(CALL_ROWS)
    add(queue, loop, "polite", 100)
    calls = [queue.take(CALL_ROWS)[0][0].client for _ in range(20)]
    assert Counter(calls) == {"greedy": 10, "polite": 10}


def test_a_client_that_was_away_gets_no_share_for_that_time(loop: asyncio.AbstractEventLoop) -> None:
    queue = RowQueue(CALL_ROWS)
    greedy = add(queue, loop, "greedy", 1000)
    for _ in range(50):
        queue.take(CALL_ROWS)
    first, second = (add(queue, loop, "late", 300) for _ in range(2))
    # For the 500 rows that the greedy client got before, the late one would get both.
    assert drain(queue) == [first, greedy, second]


def test_requests_of_one_size_of_several_clients_are_computed_one_after_the_other(
    loop: asyncio.AbstractEventLoop,
) -> None:
    queue = RowQueue(CALL_ROWS)
    pending = [add(queue, loop, client, 50) for client in "abcdefgh"]
    calls = [queue.take(CALL_ROWS)[0][0] for _ in range(40)]
    assert calls == [each for each in pending for _ in range(5)]


def test_a_short_request_of_another_client_goes_first(loop: asyncio.AbstractEventLoop) -> None:
    queue = RowQueue(CALL_ROWS)
    add(queue, loop, "a", 1000)
    queue.take(CALL_ROWS)
    short = add(queue, loop, "b", 20)
    assert [queue.take(CALL_ROWS)[0][0] for _ in range(2)] == [short, short]


def test_short_requests_of_ever_new_clients_do_not_overtake_a_long_one_for_ever(
    loop: asyncio.AbstractEventLoop,
) -> None:
    queue = RowQueue(CALL_ROWS)
    long = add(queue, loop, "long", 300)
    overtaken = 0
    while long.taken < len(long.rows) and overtaken < 1000:
        add(queue, loop, f"client {overtaken}", CALL_ROWS)
        overtaken += queue.take(CALL_ROWS)[0][0] is not long
    assert overtaken * CALL_ROWS <= len(long.rows)


def test_a_short_request_goes_before_long_ones_of_the_same_client(loop: asyncio.AbstractEventLoop) -> None:
    queue = RowQueue(CALL_ROWS)
    for _ in range(5):
        add(queue, loop, "a", 100)
    queue.take(CALL_ROWS)
    short = add(queue, loop, "a", 10)
    assert queue.take(CALL_ROWS)[0][0] is short


def test_requests_of_one_size_end_in_the_order_of_their_arrival(loop: asyncio.AbstractEventLoop) -> None:
    # Round robin would end all of them at the same late time.
    queue = RowQueue(CALL_ROWS)
    pending = [add(queue, loop, "a", 50) for _ in range(8)]
    assert drain(queue) == pending


def test_a_long_request_is_not_overtaken_for_ever_by_short_ones(loop: asyncio.AbstractEventLoop) -> None:
    queue = RowQueue(CALL_ROWS)
    long = add(queue, loop, "a", 30)
    overtaken = 0
    while long.taken < len(long.rows) and overtaken < 1000:
        # One more call of short requests arrives before each call.
        add(queue, loop, "a", CALL_ROWS)
        overtaken += queue.take(CALL_ROWS)[0][0] is not long
    # AGEING is 10.
    assert overtaken * CALL_ROWS <= 11 * len(long.rows)


def test_rows_of_a_request_that_has_ended_are_skipped(loop: asyncio.AbstractEventLoop) -> None:
    queue = RowQueue(CALL_ROWS)
    gone, kept = add(queue, loop, "a", 25), add(queue, loop, "a", 25)
    gone.result.cancel()
    gone.close()
    assert drain(queue) == [kept]
    assert queue.rows == 0
