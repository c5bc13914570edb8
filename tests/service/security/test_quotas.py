"""A quota holds on average over any time, no request is too large for it, and its headers say what is left."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffeo.service.errors import QuotaExceeded
from diffeo.service.security.quotas import WINDOW_SECONDS, Quota

HEADER = re.compile(r'"rows";r=(\d+);t=(\d+)')


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def left(quota: Quota) -> tuple[int, int]:
    headers = dict(quota.headers())
    found = HEADER.fullmatch(headers[b"ratelimit"].decode())
    assert found is not None
    return int(found[1]), int(found[2])


def test_the_headers_are_those_of_the_draft() -> None:
    quota = Quota(100, Clock())
    assert quota.headers() == [
        (b"ratelimit-policy", b'"rows";q=100;qu="rows";w=1'),
        (b"ratelimit", b'"rows";r=100;t=0'),
    ]
    quota.charge(30)
    assert left(quota) == (70, 1)


def test_a_quota_that_is_used_up_comes_back_with_time() -> None:
    clock = Clock()
    quota = Quota(100, clock)
    quota.charge(60)
    quota.charge(40)
    with pytest.raises(QuotaExceeded, match="100 rows a second") as raised:
        quota.charge(1)
    assert raised.value.retry_after == 1
    assert left(quota) == (0, 1)
    clock.now += raised.value.seconds
    quota.charge(1)
    clock.now += 10
    assert left(quota) == (100, 0)


def test_a_refund_gives_back_the_rows_of_a_rejected_request() -> None:
    quota = Quota(100, Clock())
    quota.charge(30)
    before = left(quota)
    quota.charge(10_000)
    quota.refund(10_000)
    assert left(quota) == before


def test_a_request_above_the_quota_is_accepted_and_then_paid_for() -> None:
    clock = Clock()
    quota = Quota(100, clock)
    quota.charge(1000)
    with pytest.raises(QuotaExceeded) as raised:
        quota.charge(1)
    # Ten seconds of rows were taken, one of them in advance.
    assert raised.value.seconds == pytest.approx(9, abs=0.02)
    clock.now += 8.9
    with pytest.raises(QuotaExceeded):
        quota.charge(1)
    clock.now += 0.2
    quota.charge(1)


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(1, 500)), min_size=1, max_size=60), st.integers(1, 1000))
def test_over_any_time_no_more_is_accepted_than_the_rate_one_window_and_one_request(
    requests: list[tuple[float, int]], rate: int
) -> None:
    clock = Clock()
    quota, began, accepted, largest = Quota(rate, clock), clock.now, 0, 0
    for wait, rows in requests:
        clock.now += wait
        before = left(quota)[0]
        try:
            quota.charge(rows)
        except QuotaExceeded as error:
            assert before == 0
            assert error.seconds > 0
            clock.now += error.seconds
            quota.charge(rows)
        accepted, largest = accepted + rows, max(largest, rows)
        assert accepted <= rate * (clock.now - began + WINDOW_SECONDS) + largest + 1
