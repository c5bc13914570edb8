"""The answers of a model, compared with numbers known by hand and with laws that hold for every split of the work."""

import asyncio
import dataclasses
import itertools
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffeo.bundle import base
from diffeo.bundle.parameters import LOG_ABS_DET_JACOBIAN
from diffeo.bundle.read import read
from diffeo.runtime.engines.engine import Tensors
from diffeo.runtime.finite_rows import Rows
from diffeo.service import model_loader
from diffeo.service.answer import Answer
from diffeo.service.batcher import Batcher, BatcherOptions
from diffeo.service.errors import InvalidRequest
from diffeo.service.model import Model
from diffeo.service.requests import Direction, LogProbRequest, OnInvalid, SampleRequest, TransformRequest
from diffeo.service.settings import Settings
from tests.given.flows import affine

OUTPUTS = ("x", "log_prob", "z")
X = np.array([[1, -2], [3, 2], [-1, 6], [0.1, 0.2]], np.float32)


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


def load(executor: Executor, threads: int, chunk_rows: int) -> Model:
    settings = Settings(threads=threads, chunk_rows=chunk_rows)
    return model_loader.load(read(affine.PATH), "affine2d", 1, settings, executor)


@pytest.fixture(scope="module")
def model(executor: Executor) -> Model:
    """A model with chunks so small that every request of these tests is split."""
    return load(executor, threads=2, chunk_rows=3)


def sample(model: Model, request: SampleRequest) -> Answer:
    return asyncio.run(model.sample(model.with_seed(request)))


def log_prob(model: Model, x: Rows, on_invalid: OnInvalid = "null") -> Answer:
    return asyncio.run(model.log_prob(LogProbRequest(x, on_invalid)))


def test_log_prob_is_the_density_of_the_normal_law_with_that_mean_and_scale(model: Model) -> None:
    answer = log_prob(model, X)
    np.testing.assert_allclose(answer.tensors["log_prob"], affine.log_prob(X), rtol=1e-6)
    assert (answer.model, answer.version, answer.invalid_rows) == ("affine2d", 1, ())


@pytest.mark.parametrize(
    ("direction", "image", "expected", "log_abs_det_jacobian"),
    [("forward", "z", affine.forward(X), affine.LADJ), ("inverse", "x", affine.inverse(X), -affine.LADJ)],
)
def test_transform_is_the_affine_map_with_its_jacobian(
    model: Model, direction: Direction, image: str, expected: Rows, log_abs_det_jacobian: float
) -> None:
    request = TransformRequest(direction, X, "null", (image, LOG_ABS_DET_JACOBIAN))
    tensors = asyncio.run(model.transform(request)).tensors
    np.testing.assert_allclose(tensors[image], expected, rtol=1e-6)
    np.testing.assert_allclose(tensors[LOG_ABS_DET_JACOBIAN], np.full(len(X), log_abs_det_jacobian), rtol=1e-6)


def test_a_sample_is_the_inverse_of_rows_drawn_from_the_base_distribution(model: Model) -> None:
    answer = sample(model, SampleRequest(100, 7, 5, 1.0, OUTPUTS))
    z = base.draw(7, 5, 100, 2)
    assert answer.tensors["z"].tobytes() == z.tobytes()
    np.testing.assert_allclose(answer.tensors["x"], affine.inverse(z), rtol=1e-6)
    np.testing.assert_allclose(answer.tensors["log_prob"], affine.log_prob(affine.inverse(z)), rtol=1e-5)
    metadata = {"columns": ["height", "weight"], "seed": 7, "start": 5, "next_start": 105}
    assert answer.metadata == metadata


@settings(max_examples=30)
@given(
    total=st.integers(1, 120),
    cuts=st.lists(st.integers(1, 119), max_size=4),
    start=st.sampled_from([0, 1, 2**31, 2**53 - 200]),
    temperature=st.sampled_from([1.0, 0.5, 3.0]),
)
def test_any_split_of_a_sample_into_pages_gives_the_same_bytes(
    model: Model, total: int, cuts: list[int], start: int, temperature: float
) -> None:
    edges = [0, *sorted({cut for cut in cuts if cut < total}), total]
    whole = sample(model, SampleRequest(total, 7, start, temperature, OUTPUTS)).tensors
    pages = [
        sample(model, SampleRequest(stop - begin, 7, start + begin, temperature, OUTPUTS)).tensors
        for begin, stop in itertools.pairwise(edges)
    ]
    for output in OUTPUTS:
        assert b"".join(page[output].tobytes() for page in pages) == whole[output].tobytes()


@pytest.mark.parametrize(("threads", "chunk_rows"), [(1, 1), (1, 1000), (2, 7)])
def test_threads_and_chunks_never_change_a_sample(
    model: Model, executor: Executor, threads: int, chunk_rows: int
) -> None:
    request = SampleRequest(150, 11, 0, 1.0, OUTPUTS)
    other = sample(load(executor, threads, chunk_rows), request).tensors
    for output, tensor in sample(model, request).tensors.items():
        assert tensor.tobytes() == other[output].tobytes()


@pytest.mark.parametrize("temperature", [0.01, 0.5, 2.0, 10.0])
def test_temperature_scales_z_and_log_prob_is_then_that_of_the_scaled_law(model: Model, temperature: float) -> None:
    answer = sample(model, SampleRequest(50, 3, 0, temperature, OUTPUTS))
    z = answer.tensors["z"].astype(np.float64)
    np.testing.assert_allclose(z, temperature * base.draw(3, 0, 50, 2), rtol=1e-6)
    np.testing.assert_allclose(answer.tensors["x"], affine.inverse(z), rtol=1e-5)
    expected = affine.log_prob(affine.inverse(z), temperature)
    np.testing.assert_allclose(answer.tensors["log_prob"], expected, rtol=1e-4, atol=1e-4)
    assert answer.metadata["temperature"] == temperature


def test_a_request_without_a_seed_gets_a_fresh_one_that_the_answer_names(model: Model) -> None:
    first, second = (sample(model, SampleRequest(3, None, 0, 1.0, ("x",))) for _ in range(2))
    assert first.metadata["seed"] != second.metadata["seed"]
    again = sample(model, SampleRequest(3, int(str(first.metadata["seed"])), 0, 1.0, ("x",)))
    assert again.tensors["x"].tobytes() == first.tensors["x"].tobytes()


@given(invalid=st.dictionaries(st.integers(0, 9), st.sampled_from([np.nan, np.inf, -np.inf, 1e39]), max_size=10))
def test_a_row_that_is_not_finite_changes_no_other_row(model: Model, invalid: dict[int, float]) -> None:
    clean = np.random.default_rng(5).standard_normal((10, 2))
    rows = clean.copy()
    for row, value in invalid.items():
        rows[row, row % 2] = value
    answer, expected = log_prob(model, rows), log_prob(model, clean)
    assert [(row.row, row.reason) for row in answer.invalid_rows] == [
        (row, "non_finite_input") for row in sorted(invalid)
    ]
    for row in range(10):
        value, alone = answer.tensors["log_prob"][row], expected.tensors["log_prob"][row]
        assert np.isnan(value) if row in invalid else value.tobytes() == alone.tobytes()


def test_on_invalid_error_rejects_the_request_and_names_its_invalid_rows(model: Model) -> None:
    rows = np.where(np.arange(40)[:, None] % 2, np.nan, 1.0) * np.ones((40, 2))
    with pytest.raises(InvalidRequest, match="20 of 40 rows have no finite answer") as rejection:
        log_prob(model, rows, "error")
    assert rejection.value.field_errors[0].pointer == "/x/1"
    assert len(rejection.value.field_errors) == 16
    assert log_prob(model, np.ones((2, 2)), "error").invalid_rows == ()


class UnusedEngine:
    def run(self, tensors: Tensors) -> Tensors:
        raise AssertionError(tensors)


@pytest.fixture
def unused(model: Model, executor: Executor) -> Model:
    forward, inverse = (Batcher(UnusedEngine(), source, executor, BatcherOptions(1, 3)) for source in ("x", "z"))
    return dataclasses.replace(model, forward=forward, inverse=inverse)


@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_zero_rows_give_empty_tensors_without_an_engine_call(unused: Model, direction: Direction) -> None:
    image = "z" if direction == "forward" else "x"
    tensors = asyncio.run(
        unused.transform(TransformRequest(direction, np.zeros((0, 2)), "null", (image, LOG_ABS_DET_JACOBIAN)))
    ).tensors
    assert {name: tensor.shape for name, tensor in tensors.items()} == {image: (0, 2), LOG_ABS_DET_JACOBIAN: (0,)}
    assert log_prob(unused, np.zeros((0, 2))).tensors["log_prob"].shape == (0,)


class OverflowingEngine:
    """A flow without a finite result where z0 > 1."""

    def run(self, tensors: Tensors) -> Tensors:
        z = tensors["z"]
        x = np.where(z[:, :1] > 1, np.float32(np.inf), z)
        return {"x": x, LOG_ABS_DET_JACOBIAN: z[:, 0] * 0, "log_prob": z[:, 1]}


@pytest.fixture
def overflowing(model: Model, executor: Executor) -> Model:
    return dataclasses.replace(model, inverse=Batcher(OverflowingEngine(), "z", executor, BatcherOptions(1, 3)))


def test_a_row_that_overflows_is_listed_and_nan_in_every_output(overflowing: Model) -> None:
    answer = sample(overflowing, SampleRequest(60, 7, 0, 1.0, OUTPUTS))
    invalid = np.flatnonzero(base.draw(7, 0, 60, 2)[:, 0] > 1)
    assert [row.row for row in answer.invalid_rows] == invalid.tolist()
    assert {row.reason for row in answer.invalid_rows} == {"non_finite_output"}
    for tensor in answer.tensors.values():
        assert np.flatnonzero(np.isnan(tensor.reshape(60, -1)).all(axis=1)).tolist() == invalid.tolist()


def test_the_blocks_of_a_stream_are_the_rows_of_the_whole_answer(overflowing: Model) -> None:
    request = SampleRequest(130, 7, 0, 1.0, ("x",))

    async def stream() -> list[bytes]:
        return [block["x"].tobytes() async for block in overflowing.stream_blocks(overflowing.with_seed(request))]

    blocks = asyncio.run(stream())
    assert len(blocks) > 1
    assert b"".join(blocks) == sample(overflowing, request).tensors["x"].tobytes()
