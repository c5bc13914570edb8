"""Portions, pages and cuts never change an answer, and one version gives all of it."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffeo.bundle import npy
from diffeo.client import calls
from diffeo.client.calls import Verbs
from diffeo.client.steps import Head, Lost, Outcome, Request
from diffeo.density import SeededSample
from diffeo.errors import Problem, Unreachable
from tests.given.clients.fake_service import LOST, Stage, in_turn, problem, rows, sample

TOTAL = 41


class Cutter:
    """A service whose answers are cut after so many bytes, one number an answer, and come in parts of `part` bytes."""

    def __init__(self, cuts: list[int], part: int) -> None:
        self.cuts = list(cuts)
        self.part = part

    def __call__(self, request: Request) -> Iterator[Outcome]:
        head, content = sample(request)
        assert isinstance(content, bytes)
        yield head
        whole = content if not self.cuts else content[: self.cuts.pop()]
        for begin in range(0, len(whole), self.part):
            yield whole[begin : begin + self.part]
        if len(whole) < len(content):
            yield Lost("cut", passing=True)


@given(
    cuts=st.lists(st.integers(0, 80 + 8 * TOTAL), max_size=4),
    part=st.integers(1, 500),
    block=st.integers(1, TOTAL + 5),
    page=st.integers(1, TOTAL + 5),
)
def test_a_stream_that_is_cut_anywhere_gives_the_rows_of_one_that_is_not(
    cuts: list[int], part: int, block: int, page: int
) -> None:
    stage = Stage(Cutter(cuts, part))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calls, "PAGE_ROWS", page)
        stage.play(Verbs(stage.endpoint(), "m").pieces(SeededSample(TOTAL, 3, 1000, 1.0), block))
    assert np.concatenate(stage.given).tobytes() == rows(3, 1000, TOTAL).tobytes()
    assert [len(each) for each in stage.given[:-1]] == [block] * (len(stage.given) - 1)
    starts = [int(request.query["start"]) for request in stage.requests]
    assert starts == sorted(starts)
    assert all(int(each.query["start"]) + int(each.query["num_samples"]) <= 1000 + TOTAL for each in stage.requests)


def test_a_stream_that_ends_early_without_a_word_goes_on_too() -> None:
    def short(request: Request) -> Iterator[Outcome]:
        head, content = sample(request)
        yield head
        yield content[: npy.layout(content).begin + 20]

    stage = Stage(short)
    stage.play(Verbs(stage.endpoint(), "m").pieces(SeededSample(5, 3), 2))
    assert np.concatenate(stage.given).tobytes() == rows(3, 0, 5).tobytes()


def test_tries_are_counted_from_the_last_row_that_came() -> None:
    def one_row(request: Request) -> Iterator[Outcome]:
        head, content = sample(request)
        yield head
        yield content[: npy.layout(content).begin + 8]
        yield from LOST

    stage = Stage(one_row)
    stage.play(Verbs(stage.endpoint(retries=1), "m").pieces(SeededSample(10, 3), 100))
    assert len(stage.requests) == 10
    assert stage.given[0].tobytes() == rows(3, 0, 10).tobytes()
    dead = Stage(in_turn((Head(200, {}), *LOST)))
    with pytest.raises(Unreachable, match="the line is dead"):
        dead.play(Verbs(dead.endpoint(retries=2), "m").pieces(SeededSample(10, 3), 100))
    assert len(dead.requests) == 3


@given(limit=st.integers(1, 60), total=st.integers(1, 100))
def test_a_service_with_smaller_limits_gives_the_same_rows(limit: int, total: int) -> None:
    stage = Stage(lambda request: sample(request, limit))
    assert (
        stage.play(Verbs(stage.endpoint(), "m").sample(SeededSample(total, 3))).tobytes() == rows(3, 0, total).tobytes()
    )


@given(limit=st.integers(1, 60), total=st.integers(0, 100), portion=st.integers(1, 50))
def test_a_table_in_portions_is_answered_as_one(limit: int, total: int, portion: int) -> None:
    def twice(request: Request) -> Iterator[Outcome]:
        table = npy.read(request.content)
        yield from problem(413) if len(table) > limit else (Head(200, {}), npy.write(2 * table))

    stage, table = Stage(twice), rows(1, 0, total)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calls, "PORTION_ROWS", portion)
        answer = stage.play(Verbs(stage.endpoint(), "m").image(table, "forward"))
    assert answer.tobytes() == (2 * table).tobytes()
    assert answer.shape == table.shape


def test_one_row_too_large_for_a_service_is_a_problem() -> None:
    for ask in (lambda model: model.sample(SeededSample(9, 1)), lambda model: model.log_prob(rows(1, 0, 9))):
        stage = Stage(in_turn(problem(413)))
        with pytest.raises(Problem, match="HTTP 413"):
            stage.play(ask(Verbs(stage.endpoint(), "m")))
        assert len(stage.requests) == 4


def test_the_version_that_answered_first_answers_the_rest() -> None:
    published = iter("5678")

    def newest(request: Request) -> Iterator[Outcome]:
        return sample(request, limit=10, version=str(request.query.get("version", next(published, ""))))

    stage = Stage(newest)
    stage.play(Verbs(stage.endpoint(), "m", precision="int8").sample(SeededSample(35, 3)))
    told = [request.query.get("version") for request in stage.requests]
    assert told[:3] == [None, None, None]
    assert set(told[3:]) == {7}
    assert {request.query["precision"] for request in stage.requests} == {"int8"}


STRANGERS: dict[str, tuple[bytes, ...]] = {
    "more rows": (npy.write(rows(0, 0, 6)),),
    "fewer rows": (npy.write(rows(0, 0, 4)),),
    "bytes beyond the last row": (npy.write(rows(0, 0, 5)) + b".",),
    "a part beyond the last row": (npy.write(rows(0, 0, 5)), b"."),
    "a vector": (npy.write(np.zeros(5, np.float32)),),
    "no columns": (npy.write(np.zeros((5, 0), np.float32)),),
    "integers": (npy.write(np.zeros((5, 2), np.int64)),),
    "a web page": (b"<html> ", b"of some length"),
}


@pytest.mark.parametrize("parts", STRANGERS.values(), ids=STRANGERS.keys())
def test_a_stream_of_something_else_is_not_taken_for_a_sample(parts: tuple[bytes, ...]) -> None:
    stage = Stage(in_turn((Head(200, {}), *parts)))
    with pytest.raises(Unreachable, match=r"what answers at http://service\.test is not this service"):
        stage.play(Verbs(stage.endpoint(), "m").pieces(SeededSample(5, 0), 100))


@pytest.mark.parametrize("parts", [["log_prob"], ["x", "log_prob"]], ids=len)
@pytest.mark.parametrize("count", [4, 6])
def test_an_answer_of_another_length_is_not_taken_for_ours(parts: list[str], count: int) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, x=rows(0, 0, 5), log_prob=np.zeros(count, np.float32))
    content = npy.write(np.zeros(count, np.float32)) if len(parts) == 1 else buffer.getvalue()
    stage = Stage(in_turn((Head(200, {}), content)))
    with pytest.raises(Unreachable, match="is not this service"):
        stage.play(Verbs(stage.endpoint(), "m").draw(SeededSample(5, 0), parts))


def test_a_stream_that_goes_on_in_another_type_is_none() -> None:
    cut = npy.write(rows(0, 0, 5))[:-8]
    stage = Stage(in_turn((Head(200, {}), cut, *LOST), (Head(200, {}), npy.write(np.zeros((1, 3), np.float32)))))
    with pytest.raises(Unreachable, match="is not this service"):
        stage.play(Verbs(stage.endpoint(), "m").pieces(SeededSample(5, 0), 100))
