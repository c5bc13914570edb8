"""Splitting a call into requests and broken connections never change its answer; one version computes all of it."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffeo.bundle import npy
from diffeo.client import calls
from diffeo.client.calls import ModelCalls
from diffeo.client.steps import Request, StepResult
from diffeo.density import Output, SeededSample
from diffeo.errors import Problem, Unreachable
from tests.given.clients.fake_service import (
    BROKEN,
    OK,
    FakeDriver,
    error_response,
    in_order,
    numbered_rows,
    serve_sample,
)

TOTAL = 41


class BreakingService:
    """A service whose connection breaks.

    Args:
        lengths: bytes of each response until its connection breaks; the responses after these are complete.
        read_bytes: bytes of each read.
    """

    def __init__(self, lengths: list[int], read_bytes: int) -> None:
        self.lengths = list(lengths)
        self.read_bytes = read_bytes

    def __call__(self, request: Request) -> Iterator[StepResult]:
        head, content = serve_sample(request)
        assert isinstance(content, bytes)
        yield head
        delivered = content[: self.lengths.pop()] if self.lengths else content
        for begin in range(0, len(delivered), self.read_bytes):
            yield delivered[begin : begin + self.read_bytes]
        if len(delivered) < len(content):
            yield BROKEN


def interrupted_sample(request: Request, data_bytes: int) -> Iterator[StepResult]:
    """A response that stops after its header and `data_bytes` bytes of rows."""
    head, content = serve_sample(request)
    assert isinstance(content, bytes)
    layout = npy.layout(content)
    assert layout is not None
    yield head
    yield content[: layout.begin + data_bytes]


@given(
    lengths=st.lists(st.integers(0, 80 + 8 * TOTAL), max_size=4),
    read_bytes=st.integers(1, 500),
    block_rows=st.integers(1, TOTAL + 5),
    request_rows=st.integers(1, TOTAL + 5),
)
def test_a_stream_that_breaks_anywhere_gives_the_same_rows_as_an_unbroken_one(
    lengths: list[int], read_bytes: int, block_rows: int, request_rows: int
) -> None:
    driver = FakeDriver(BreakingService(lengths, read_bytes))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calls, "STREAM_REQUEST_ROWS", request_rows)
        driver.run(ModelCalls(driver.service(), "m").stream_sample(SeededSample(TOTAL, 3, 1000, 1.0), block_rows))
    assert np.concatenate(driver.yielded).tobytes() == numbered_rows(3, 1000, TOTAL).tobytes()
    assert [len(each) for each in driver.yielded[:-1]] == [block_rows] * (len(driver.yielded) - 1)
    starts = [int(request.query["start"]) for request in driver.requests]
    assert starts == sorted(starts)
    assert all(int(each.query["start"]) + int(each.query["num_samples"]) <= 1000 + TOTAL for each in driver.requests)


def test_a_stream_that_ends_early_without_an_error_continues_too() -> None:
    def short(request: Request) -> Iterator[StepResult]:
        yield from interrupted_sample(request, data_bytes=20)

    driver = FakeDriver(short)
    driver.run(ModelCalls(driver.service(), "m").stream_sample(SeededSample(5, 3), 2))
    assert np.concatenate(driver.yielded).tobytes() == numbered_rows(3, 0, 5).tobytes()


def test_retries_are_counted_since_the_last_row_arrived() -> None:
    def one_row(request: Request) -> Iterator[StepResult]:
        yield from interrupted_sample(request, data_bytes=8)
        yield BROKEN

    driver = FakeDriver(one_row)
    driver.run(ModelCalls(driver.service(retries=1), "m").stream_sample(SeededSample(10, 3), 100))
    assert len(driver.requests) == 10
    assert driver.yielded[0].tobytes() == numbered_rows(3, 0, 10).tobytes()
    dead = FakeDriver(in_order((OK, BROKEN)))
    with pytest.raises(Unreachable, match="the connection is broken"):
        dead.run(ModelCalls(dead.service(retries=2), "m").stream_sample(SeededSample(10, 3), 100))
    assert len(dead.requests) == 3


@given(limit=st.integers(1, 60), total=st.integers(1, 100))
def test_a_service_with_smaller_limits_gives_the_same_rows(limit: int, total: int) -> None:
    driver = FakeDriver(lambda request: serve_sample(request, limit))
    rows = driver.run(ModelCalls(driver.service(), "m").sample(SeededSample(total, 3)))
    assert rows.tobytes() == numbered_rows(3, 0, total).tobytes()


@given(limit=st.integers(1, 60), total=st.integers(0, 100), request_rows=st.integers(1, 50))
def test_a_table_that_is_split_into_requests_gives_one_answer(limit: int, total: int, request_rows: int) -> None:
    def double(request: Request) -> Iterator[StepResult]:
        table = npy.read(request.content)
        yield from error_response(413) if len(table) > limit else (OK, npy.write(2 * table))

    driver, table = FakeDriver(double), numbered_rows(1, 0, total)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calls, "REQUEST_ROWS", request_rows)
        answer = driver.run(ModelCalls(driver.service(), "m").transform_rows(table, "forward"))
    assert isinstance(answer, np.ndarray)
    assert answer.tobytes() == (2 * table).tobytes()
    assert answer.shape == table.shape


def test_a_single_row_that_is_too_large_for_the_service_is_a_problem() -> None:
    driver = FakeDriver(in_order(error_response(413)))
    model = ModelCalls(driver.service(), "m")
    for steps in (model.sample(SeededSample(9, 1)), model.log_prob(numbered_rows(1, 0, 9))):
        driver.requests.clear()
        with pytest.raises(Problem, match="HTTP 413"):
            driver.run(steps)
        assert len(driver.requests) == 4


def test_the_version_that_answers_first_answers_the_rest() -> None:
    published = iter("5678")

    def newest(request: Request) -> Iterator[StepResult]:
        return serve_sample(request, limit=10, version=str(request.query.get("version", next(published, ""))))

    driver = FakeDriver(newest)
    driver.run(ModelCalls(driver.service(), "m", precision="int8").sample(SeededSample(35, 3)))
    versions = [request.query.get("version") for request in driver.requests]
    assert versions[:3] == [None, None, None]
    assert set(versions[3:]) == {7}
    assert {request.query["precision"] for request in driver.requests} == {"int8"}


UNEXPECTED: dict[str, tuple[bytes, ...]] = {
    "more rows": (npy.write(numbered_rows(0, 0, 6)),),
    "fewer rows": (npy.write(numbered_rows(0, 0, 4)),),
    "bytes beyond the last row": (npy.write(numbered_rows(0, 0, 5)) + b".",),
    "a read beyond the last row": (npy.write(numbered_rows(0, 0, 5)), b"."),
    "a vector": (npy.write(np.zeros(5, np.float32)),),
    "no columns": (npy.write(np.zeros((5, 0), np.float32)),),
    "integers": (npy.write(np.zeros((5, 2), np.int64)),),
    "a web page": (b"<html> ", b"of some length"),
}


@pytest.mark.parametrize("body", UNEXPECTED.values(), ids=UNEXPECTED.keys())
def test_a_stream_of_something_else_is_an_error(body: tuple[bytes, ...]) -> None:
    driver = FakeDriver(in_order((OK, *body)))
    with pytest.raises(Unreachable, match=r"the server at http://service\.test is not a diffeo service"):
        driver.run(ModelCalls(driver.service(), "m").stream_sample(SeededSample(5, 0), 100))


@pytest.mark.parametrize("outputs", [["log_prob"], ["x", "log_prob"]], ids=len)
@pytest.mark.parametrize("count", [4, 6])
def test_an_answer_with_another_number_of_rows_is_an_error(outputs: list[Output], count: int) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, x=numbered_rows(0, 0, 5), log_prob=np.zeros(count, np.float32))
    content = npy.write(np.zeros(count, np.float32)) if len(outputs) == 1 else buffer.getvalue()
    driver = FakeDriver(in_order((OK, content)))
    with pytest.raises(Unreachable, match="is not a diffeo service"):
        driver.run(ModelCalls(driver.service(), "m").draw(SeededSample(5, 0), outputs))


def test_a_stream_that_continues_with_another_width_is_an_error() -> None:
    cut = npy.write(numbered_rows(0, 0, 5))[:-8]
    driver = FakeDriver(
        in_order(
            (OK, cut, BROKEN),
            (OK, npy.write(np.zeros((1, 3), np.float32))),
        )
    )
    with pytest.raises(Unreachable, match="is not a diffeo service"):
        driver.run(ModelCalls(driver.service(), "m").stream_sample(SeededSample(5, 0), 100))
