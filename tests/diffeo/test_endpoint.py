"""An exchange is repeated when that can help, never before the service said, never beyond its deadline."""

import math

import pytest

from diffeo.client.steps import Answer, Head, Lost, Request
from diffeo.errors import Problem, Unreachable
from tests.given.clients.fake_service import LOST, Stage, in_turn, problem

FINE = (Head(200, {}), b"fi", b"ne")
ASKED = Request("POST", "/log_prob", {"model": "m"}, b"rows", {"content-type": "application/x-npy"})


def told_at(date: str, retry: str) -> tuple[object, ...]:
    return problem(429, date=date, retry_after=retry)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("chance", [0.0, 0.999])
def test_retry_after_is_obeyed_and_hardly_exceeded(status: int, chance: float) -> None:
    stage = Stage(in_turn(problem(status, retry_after="7"), FINE))
    answer = stage.play(stage.endpoint(chance=chance).exchange(ASKED))
    assert answer.content == b"fine"
    assert 7 <= stage.pauses[0] <= 7.7


def test_a_date_is_read_by_the_clock_of_the_service() -> None:
    told = told_at("Tue, 01 Jan 2030 00:00:00 GMT", "Tue, 01 Jan 2030 00:00:09 GMT")
    stage = Stage(in_turn(told, FINE))
    stage.play(stage.endpoint(chance=0).exchange(ASKED))
    assert stage.pauses == [9]


@pytest.mark.parametrize("retry", ["60", "9" * 5000])
def test_what_would_come_after_the_deadline_is_not_waited_for(retry: str) -> None:
    stage = Stage(in_turn(problem(429, retry_after=retry), FINE))
    with pytest.raises(Problem, match="HTTP 429"):
        stage.play(stage.endpoint(seconds=60).exchange(ASKED))
    assert stage.pauses == []


def test_pauses_grow_where_the_service_names_none_and_their_number_is_bounded() -> None:
    stage = Stage(in_turn(LOST))
    with pytest.raises(Unreachable, match=r"no service answers at http://service\.test: the line is dead"):
        stage.play(stage.endpoint(retries=8, chance=0).exchange(ASKED))
    assert stage.pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert len(stage.requests) == 9


def test_callers_do_not_come_back_together() -> None:
    pauses = []
    for chance in (0.0, 0.999):
        stage = Stage(in_turn(LOST, FINE))
        stage.play(stage.endpoint(chance=chance).exchange(ASKED))
        pauses.append(stage.pauses[0])
    assert pauses[0] == pytest.approx(2 * pauses[1], rel=0.01)


@pytest.mark.parametrize("retry", ["", "soon", "-1", "1.5", "Tue, 01 Jan 2030 00:00:09 GMT", "٣"])
def test_a_time_that_cannot_be_read_is_none(retry: str) -> None:
    stage = Stage(in_turn(problem(429, retry_after=retry), FINE))
    stage.play(stage.endpoint(chance=0).exchange(ASKED))
    assert stage.pauses == [0.1]


@pytest.mark.parametrize("status", [400, 404, 413, 422, 500, 502, 503, 504])
def test_what_another_try_cannot_mend_is_told_at_once(status: int) -> None:
    stage = Stage(in_turn(problem(status), FINE))
    with pytest.raises(Problem, match=f"HTTP {status}") as told:
        stage.play(stage.endpoint().exchange(ASKED))
    assert (told.value.status, len(stage.requests)) == (status, 1)


def test_a_fault_that_stays_is_told_at_once() -> None:
    stage = Stage(in_turn((Lost("no such scheme", passing=False),)))
    with pytest.raises(Unreachable, match="no such scheme"):
        stage.play(stage.endpoint().exchange(ASKED))
    assert len(stage.requests) == 1


@pytest.mark.parametrize("cut", [(Head(200, {}), *LOST), (Head(200, {}), b"fi", *LOST), (Head(429, {}), *LOST)])
def test_an_answer_that_is_cut_is_asked_for_again(cut: tuple[object, ...]) -> None:
    stage = Stage(in_turn(cut, FINE))
    assert stage.play(stage.endpoint().exchange(ASKED)) == Answer(200, {}, b"fine")


def test_each_try_is_the_same_request_with_the_time_that_is_left() -> None:
    stage = Stage(in_turn(problem(429, retry_after="10"), problem(429, retry_after="20"), FINE))
    stage.play(stage.endpoint(seconds=60, chance=0).exchange(ASKED))
    assert [request.headers["x-request-timeout-ms"] for request in stage.requests] == ["60000", "50000", "30000"]
    assert len({(each.method, each.path, each.content, *each.query.items()) for each in stage.requests}) == 1


def test_who_waits_without_end_names_no_time() -> None:
    stage = Stage(in_turn(FINE))
    stage.play(stage.endpoint(seconds=math.inf).exchange(ASKED))
    assert set(stage.requests[0].headers) == {"content-type"}


def test_an_answer_that_never_ends_ends_at_the_deadline() -> None:
    def dripping(_: Request) -> object:
        yield Head(200, {})
        while True:
            stage.now += 1
            yield b"."

    stage = Stage(dripping)
    with pytest.raises(Unreachable, match="not whole at the deadline"):
        stage.play(stage.endpoint(seconds=10).exchange(ASKED))
    assert stage.now == 10
