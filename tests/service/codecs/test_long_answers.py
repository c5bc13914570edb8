"""A long answer is written in blocks and has the same bytes as one that is written at once."""

import json
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from diffeo.service.answer import Answer, InvalidRow
from diffeo.service.codecs import CODECS
from diffeo.service.codecs import json as json_codec
from diffeo.service.codecs.codec import Codec
from diffeo.service.codecs.csv import Csv
from diffeo.service.codecs.json import Json
from diffeo.service.codecs.ndjson import Ndjson
from diffeo.service.codecs.parsing import number_text
from diffeo.service.codecs.v2 import response
from diffeo.service.codecs.v2.request import RequestedOutput
from diffeo.service.routes.inference import encoding_bytes

ROWS = 50
X = np.random.default_rng(0).normal(size=(ROWS, 3)).astype(np.float32)
INVALID = (0, 7, 8, 49)
# Buffers and headers that do not grow with the answer.
FIXED_BYTES = 2**21


def answer(*, invalid: bool) -> Answer:
    x = X.copy()
    x[list(INVALID) if invalid else []] = np.nan
    rows = tuple(InvalidRow(row, "non_finite_output") for row in INVALID) if invalid else ()
    return Answer("m", 2, ("a", "b", "c"), {"x": x, "log_prob": x[:, 0].copy()}, {"seed": 7}, rows)


@pytest.mark.parametrize("block", [1, 4, 9, 1000])
@pytest.mark.parametrize("invalid", [False, True], ids=["all valid", "some invalid"])
def test_blocks_make_the_same_text(block: int, invalid: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    given = answer(invalid=invalid)
    requested = [RequestedOutput("x", binary=False), RequestedOutput("log_prob", binary=invalid)]

    def written() -> tuple[object, ...]:
        v2 = response.encode({"id": "7"}, requested, given.tensors)
        return Json().encode(given), Csv().encode(given), Ndjson().encode(given), v2

    at_once = written()
    monkeypatch.setattr(number_text, "BLOCK_VALUES", block)
    monkeypatch.setattr(json_codec, "BLOCK_VALUES", 0)
    monkeypatch.setattr(json_codec, "BLOCK_ROWS", block)
    monkeypatch.setattr(response, "BLOCK_VALUES", 0)
    assert written() == at_once
    assert json.loads(Json().encode(given))["model"] == "m"


def large_answer(columns: int, dtype: type[np.floating], *, invalid: bool) -> Answer:
    rows = 40_000 // columns
    x = np.random.default_rng(0).normal(size=(rows, columns)).astype(dtype)
    x[:: 2 if invalid else rows] = np.nan if invalid else 1
    reasons = tuple(InvalidRow(row, "non_finite_output") for row in range(0, rows, 2)) if invalid else ()
    return Answer(
        "m", 1, tuple(map(str, range(columns))), {"x": x, "z": x / 1e30, "log_prob": x[:, 0].copy()}, {}, reasons
    )


def memory_of(encode: Callable[[], object]) -> int:
    encode()
    tracemalloc.start()
    encode()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("columns", [1, 2, 64])
@pytest.mark.parametrize("invalid", [False, True], ids=["all valid", "some invalid"])
@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_encoding_takes_at_most_the_memory_that_the_format_promises(
    codec: Codec, columns: int, dtype: type[np.floating], *, invalid: bool
) -> None:
    given = large_answer(columns, dtype, invalid=invalid)
    if codec.single_array:
        given = given._replace(tensors={"x": given.tensors["x"]})
    assert memory_of(lambda: codec.encode(given)) <= encoding_bytes(codec, given) + FIXED_BYTES


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("binary", "multiple"), [(False, response.TEXT_MULTIPLE), (True, response.COPY_MULTIPLE)])
def test_encoding_v2_takes_at_most_the_memory_that_it_promises(
    dtype: type[np.floating], multiple: int, *, binary: bool
) -> None:
    given = large_answer(64, dtype, invalid=False)
    outputs = [RequestedOutput(name, binary) for name in given.tensors]
    size = sum(tensor.nbytes for tensor in given.tensors.values())
    assert memory_of(lambda: response.encode({}, outputs, given.tensors)) <= size * multiple + FIXED_BYTES
