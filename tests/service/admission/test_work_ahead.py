"""The work ahead bounds the wait of every accepted request, gives each client a share, and never drifts."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffeo.service.admission.work_ahead import Reservation, WorkAhead
from diffeo.service.errors import DeadlinePassed, Overloaded

LIMIT = 0.1
MILLISECOND = 0.001


def work() -> WorkAhead:
    return WorkAhead(LIMIT, lambda: 0.0)


def accept(ahead: WorkAhead, client: str, seconds: float) -> Reservation | None:
    """A reservation of so many seconds; None if the request is rejected."""
    try:
        ahead.check(client, seconds, None, "moons")
    except Overloaded:
        return None
    return ahead.reserve(client, round(seconds / MILLISECOND), MILLISECOND)


def accepted(ahead: WorkAhead, client: str, seconds: float, tries: int = 100) -> int:
    return sum(accept(ahead, client, seconds) is not None for _ in range(tries))


def test_requests_of_one_client_are_accepted_up_to_the_longest_wait() -> None:
    # The last one waits for five others: 100 ms.
    assert accepted(work(), "greedy", 0.02) == 6


def test_a_small_request_is_accepted_beside_a_job_of_any_size() -> None:
    ahead = work()
    assert accept(ahead, "greedy", 1000.0) is not None
    assert accept(ahead, "greedy", 0.02) is not None
    assert accept(ahead, "polite", 0.02) is not None


def test_two_large_jobs_of_one_client_are_not_accepted_together() -> None:
    ahead = work()
    assert accept(ahead, "greedy", 2.0) is not None
    with pytest.raises(
        Overloaded, match=r"would wait 2.0 s for work ahead of it; .* 100 ms .*try again in 2 s"
    ) as error:
        ahead.check("greedy", 2.0, None, "moons")
    assert error.value.retry_after == 2


def test_each_client_has_a_share_of_the_wait_whatever_the_others_send() -> None:
    ahead = work()
    accepted(ahead, "greedy", 0.02)
    assert accepted(ahead, "polite", 0.02) >= 2
    assert accepted(ahead, "third", 0.02) >= 1


def test_the_first_request_of_a_client_is_accepted_though_all_engines_are_slow() -> None:
    ahead = work()
    accepted(ahead, "greedy", 0.02)
    ahead.pace.slowdown = 10.0
    assert accepted(ahead, "polite", 0.02) == 1


@given(
    before=st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 200)), max_size=30),
    own=st.integers(1, 200),
)
def test_the_wait_is_at_most_the_own_size_for_each_other_request_and_at_most_all_of_it(
    before: list[tuple[str, int]], own: int
) -> None:
    ahead = work()
    for client, milliseconds in before:
        ahead.reserve(client, milliseconds, MILLISECOND)
    wait = ahead.wait_seconds("a", own * MILLISECOND)
    mine = sum(min(milliseconds, own) for client, milliseconds in before if client == "a")
    totals = [sum(size for client, size in before if client == other) for other in "bc"]
    shares = sum(min(total, mine + own) for total in totals)
    assert wait == pytest.approx((mine + shares) * MILLISECOND)
    assert wait <= ahead.seconds + 1e-9


@given(
    sizes=st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 10**7), st.floats(1e-9, 1e-2)), max_size=30),
    data=st.data(),
)
def test_the_sums_are_zero_after_all_requests_however_they_end(
    sizes: list[tuple[str, int, float]], data: st.DataObject
) -> None:
    ahead = work()
    pending = [(ahead.reserve(*each), each[1]) for each in sizes]
    for reservation, rows in data.draw(st.permutations(pending)):
        reservation.computed(data.draw(st.integers(0, rows)))
        reservation.release()
        reservation.release()
    assert ahead.seconds == 0
    assert ahead.wait_seconds("a", 1.0) == 0


def test_a_request_that_would_miss_its_deadline_is_rejected_at_once() -> None:
    ahead = work()
    accept(ahead, "a", 0.05)
    ahead.check("a", 0.02, 0.08, "moons")
    with pytest.raises(Overloaded, match="its deadline is in 30 ms") as error:
        ahead.check("a", 0.02, 0.03, "moons")
    assert error.value.retry_after == 1


def test_without_work_ahead_a_request_with_too_little_time_is_tried() -> None:
    # The pace may be out of date, and only a request that runs can correct it.
    work().check("a", 10.0, 1.0, "moons")


def test_a_deadline_in_the_past_is_an_error_with_a_time_to_try_again() -> None:
    with pytest.raises(DeadlinePassed) as error:
        work().check("a", 0.02, 0.0, "moons")
    assert error.value.retry_after == 1


def test_the_pace_multiplies_the_wait() -> None:
    ahead = work()
    accept(ahead, "a", 0.06)
    ahead.pace.slowdown = 2.0
    assert ahead.seconds == pytest.approx(0.12)
    assert accept(ahead, "a", 0.06) is None


def test_a_limit_of_infinity_accepts_everything() -> None:
    ahead = WorkAhead()
    for _ in range(10):
        ahead.check("a", 1e6, None, "moons")
        ahead.reserve("a", 10**9, 1.0)
    assert math.isfinite(ahead.seconds)
