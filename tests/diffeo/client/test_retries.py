"""A request is retried when that can help, never before the Retry-After of the service and never after the deadline."""

import math
from collections.abc import Iterator

import pytest

from diffeo.client.steps import Request, Response, ResponseHead, StepResult, TransportFailure
from diffeo.errors import Problem, Unreachable
from tests.given.clients.fake_service import BROKEN, OK, FakeDriver, error_response, in_order

ANSWER = (OK, b"fi", b"ne")
REQUEST = Request("POST", "/log_prob", {"model": "m"}, b"rows", {"content-type": "application/x-npy"})


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("uniform", [0.0, 0.999])
def test_the_delay_is_the_retry_after_of_the_service_or_up_to_a_tenth_longer(status: int, uniform: float) -> None:
    driver = FakeDriver(in_order(error_response(status, retry_after="7"), ANSWER))
    answer = driver.run(driver.service(uniform=uniform).fetch(REQUEST))
    assert answer.content == b"fine"
    assert 7 <= driver.sleeps[0] <= 7.7


def test_a_retry_after_date_is_relative_to_the_date_of_the_response() -> None:
    date, retry_after = "Tue, 01 Jan 2030 00:00:00 GMT", "Tue, 01 Jan 2030 00:00:09 GMT"
    driver = FakeDriver(in_order(error_response(429, date=date, retry_after=retry_after), ANSWER))
    driver.run(driver.service(uniform=0).fetch(REQUEST))
    assert driver.sleeps == [9]


@pytest.mark.parametrize("retry_after", ["60", "9" * 5000])
def test_a_retry_that_would_start_after_the_deadline_is_not_waited_for(retry_after: str) -> None:
    driver = FakeDriver(in_order(error_response(429, retry_after=retry_after), ANSWER))
    with pytest.raises(Problem, match="HTTP 429"):
        driver.run(driver.service(seconds=60).fetch(REQUEST))
    assert driver.sleeps == []


def test_delays_double_when_the_service_names_none_and_the_retries_are_limited() -> None:
    driver = FakeDriver(in_order((BROKEN,)))
    with pytest.raises(Unreachable, match=r"no service answers at http://service\.test: the connection is broken"):
        driver.run(driver.service(retries=8, uniform=0).fetch(REQUEST))
    assert driver.sleeps == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert len(driver.requests) == 9


def test_clients_do_not_all_retry_at_the_same_time() -> None:
    delays = []
    for uniform in (0.0, 0.999):
        driver = FakeDriver(in_order((BROKEN,), ANSWER))
        driver.run(driver.service(uniform=uniform).fetch(REQUEST))
        delays.append(driver.sleeps[0])
    assert delays[0] == pytest.approx(2 * delays[1], rel=0.01)


@pytest.mark.parametrize("retry_after", ["", "soon", "-1", "1.5", "Tue, 01 Jan 2030 00:00:09 GMT", "٣"])
def test_a_retry_after_that_cannot_be_parsed_is_ignored(retry_after: str) -> None:
    driver = FakeDriver(in_order(error_response(429, retry_after=retry_after), ANSWER))
    driver.run(driver.service(uniform=0).fetch(REQUEST))
    assert driver.sleeps == [0.1]


@pytest.mark.parametrize("status", [400, 404, 413, 422, 500, 502, 503, 504])
def test_an_error_that_a_retry_cannot_help_is_raised_at_once(status: int) -> None:
    driver = FakeDriver(in_order(error_response(status), ANSWER))
    with pytest.raises(Problem, match=f"HTTP {status}") as raised:
        driver.run(driver.service().fetch(REQUEST))
    assert (raised.value.status, len(driver.requests)) == (status, 1)


def test_a_permanent_transport_failure_is_raised_at_once() -> None:
    driver = FakeDriver(in_order((TransportFailure("no such scheme", transient=False),)))
    with pytest.raises(Unreachable, match="no such scheme"):
        driver.run(driver.service().fetch(REQUEST))
    assert len(driver.requests) == 1


@pytest.mark.parametrize(
    "response",
    [
        (OK, BROKEN),
        (OK, b"fi", BROKEN),
        (ResponseHead(429, {}), BROKEN),
    ],
)
def test_a_response_that_breaks_off_is_requested_again(response: tuple[StepResult, ...]) -> None:
    driver = FakeDriver(in_order(response, ANSWER))
    assert driver.run(driver.service().fetch(REQUEST)) == Response(200, {}, b"fine")


def test_each_retry_is_the_same_request_with_the_time_that_is_left() -> None:
    driver = FakeDriver(in_order(error_response(429, retry_after="10"), error_response(429, retry_after="20"), ANSWER))
    driver.run(driver.service(seconds=60, uniform=0).fetch(REQUEST))
    assert [request.headers["x-request-timeout-ms"] for request in driver.requests] == ["60000", "50000", "30000"]
    assert len({(each.method, each.path, each.content, *each.query.items()) for each in driver.requests}) == 1


def test_a_client_without_a_time_limit_sends_no_timeout_header() -> None:
    driver = FakeDriver(in_order(ANSWER))
    driver.run(driver.service(seconds=math.inf).fetch(REQUEST))
    assert set(driver.requests[0].headers) == {"content-type"}


def test_a_response_that_never_ends_fails_at_the_deadline() -> None:
    def endless(_: Request) -> Iterator[StepResult]:
        yield OK
        while True:
            driver.now += 1
            yield b"."

    driver = FakeDriver(endless)
    with pytest.raises(Unreachable, match="not complete at the deadline"):
        driver.run(driver.service(seconds=10).fetch(REQUEST))
    assert driver.now == 10
