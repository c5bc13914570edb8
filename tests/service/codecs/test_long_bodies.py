"""Long JSON bodies are read in pieces, with the same result as short ones, and none is too long for the parser."""

import gc
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffeo.service.codecs import json as json_codec
from diffeo.service.codecs import ndjson as ndjson_codec
from diffeo.service.codecs.codec import Codec
from diffeo.service.codecs.json import SMALL_BYTES, Json
from diffeo.service.codecs.ndjson import Ndjson
from diffeo.service.codecs.parsing import long_list
from diffeo.service.codecs.parsing.long_document import LONG_BYTES, MAX_OTHER_BYTES
from diffeo.service.codecs.v2 import document
from diffeo.service.codecs.v2.request import decode
from diffeo.service.codecs.v2.signature import ANY_SIZE, Signature, TensorSpec
from diffeo.service.errors import InvalidRequest, MalformedBody, RequestError, TooLarge
from diffeo.service.requests import Limits
from tests.given.decoded_rows import decoded_rows

JSON, NDJSON = Json(), Ndjson()
LONG = b" " * LONG_BYTES
V2 = Signature((TensorSpec("x", ("FP32", "FP64", "INT64"), (ANY_SIZE, 2)),), (TensorSpec("y", ("FP32",), (ANY_SIZE,)),))


@contextmanager
def pieces_of(size: int) -> Iterator[None]:
    """Every body is long, and a piece has about this number of bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_codec, "LONG_BYTES", 0)
        patch.setattr(json_codec, "SMALL_BYTES", 0)
        patch.setattr(document, "LONG_BYTES", 0)
        patch.setattr(document, "SMALL_BYTES", 0)
        patch.setattr(long_list, "PIECE_BYTES", size)
        patch.setattr(ndjson_codec, "PIECE_BYTES", size)
        yield


def outcome(codec: Codec, body: bytes) -> tuple[object, ...]:
    try:
        payload = codec.decode(body, {})
    except RequestError as error:
        return type(error), [field.pointer for field in error.field_errors]
    rows = None if payload.rows is None else (payload.rows.shape, payload.rows.tolist())
    return payload.parameters, str(rows), payload.rows_name


CELLS = st.integers(-9, 9) | st.floats(-9, 9) | st.none()
WRONG: st.SearchStrategy[object] = (
    st.booleans() | st.just("1") | st.just("]") | st.lists(st.integers(0, 9), max_size=2) | st.just({})
)
TABLES = st.integers(1, 3).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=9))
ROWS = TABLES | st.lists(st.lists(CELLS | WRONG, max_size=3) | WRONG | CELLS, max_size=6) | WRONG
DOCUMENTS = st.dictionaries(st.sampled_from(["x", "z", "model", "return", 'a"[', "\\"]), ROWS | st.text(max_size=3))


@given(DOCUMENTS, st.integers(1, 40), st.sampled_from([None, 1]))
def test_a_body_read_in_pieces_gives_the_same_rows_or_an_error(
    value: dict[str, object], size: int, indent: int | None
) -> None:
    body = json.dumps(value, indent=indent).encode()
    expected = outcome(JSON, body + b" " * SMALL_BYTES)
    with pieces_of(size):
        found = outcome(JSON, body)
    # In pieces the first error counts, and the whole body must not be read to find another.
    assert found == expected or (isinstance(expected[0], type) and isinstance(found[0], type))
    if len(value) == 1 and "x" in value:
        assert found[0] == expected[0]


@given(TABLES.filter(bool), st.integers(1, 40), st.sampled_from([None, "x", "z"]))
def test_lines_read_in_pieces_are_the_same_table(rows: list[list[float | None]], size: int, name: str | None) -> None:
    body = b"".join(json.dumps(row if name is None else {name: row}).encode() + b"\n" for row in rows)
    expected = outcome(NDJSON, body)
    with pieces_of(size):
        assert outcome(NDJSON, body) == expected


LINES = ("[1,2]", '{"x":[1,2]}', "[1]", "[]", "1", "[1,true]", "[1,", "", "[null,1]")


@given(st.data(), st.integers(1, 40))
def test_wrong_lines_read_in_pieces_have_the_same_error(data: st.DataObject, size: int) -> None:
    lines = data.draw(st.lists(st.sampled_from(LINES)))
    body = "\n".join(lines).encode()
    expected = outcome(NDJSON, body)
    with pieces_of(size):
        assert outcome(NDJSON, body) == expected


@given(TABLES.filter(bool), st.integers(1, 40), st.sampled_from(["flat", "nested"]), st.sampled_from(["FP64", "INT64"]))
def test_v2_data_read_in_pieces_is_the_same_tensor(
    rows: list[list[float | None]], size: int, kind: str, datatype: str
) -> None:
    data = [value for row in rows for value in row] if kind == "flat" else rows
    entry = {"name": "x", "data": data, "shape": [len(rows), len(rows[0])], "datatype": datatype}
    body = json.dumps({"id": "7", "inputs": [entry]}).encode()

    def found() -> object:
        try:
            request = decode(body, None, V2)
        except RequestError as error:
            return type(error), str(error)
        return request.id, request.inputs["x"].dtype, str(request.inputs["x"].tolist())

    expected = found()
    with pieces_of(size):
        assert found() == expected


WRONG_ENDS = {
    "a string": ('[1, "a"]', InvalidRequest, "/1"),
    "true": ("[1, true]", InvalidRequest, "/1"),
    "a list": ("[1, [2]]", InvalidRequest, "/1"),
    "a short row": ("[1]", InvalidRequest, ""),
    "an empty row": ("[]", InvalidRequest, ""),
    "no row": ("7", InvalidRequest, ""),
    "an object": ('{"a": 1}', InvalidRequest, ""),
    "NaN": ("[1, NaN]", MalformedBody, None),
    "two values": ("[1, 2 3]", MalformedBody, None),
    "a number beyond float64": ("[1, 1e999]", MalformedBody, None),
    "a missing value": ("[1, ]", MalformedBody, None),
    "a bracket too many": ("[1, 2]]", MalformedBody, None),
    "another bracket": ("[1, 2}", MalformedBody, None),
}


@pytest.mark.parametrize(("row", "kind", "pointer"), WRONG_ENDS.values(), ids=WRONG_ENDS.keys())
def test_the_last_of_many_rows_is_checked_as_the_first(row: str, kind: type[RequestError], pointer: str | None) -> None:
    body = b'{"model": "m", "x": [' + b"[1, 2], " * 90_000 + row.encode() + b'], "return": ["x"]}'
    with pytest.raises(kind) as caught:
        JSON.decode(body, {})
    if pointer is not None:
        assert [error.pointer for error in caught.value.field_errors] == [f"/x/90000{pointer}"]
        assert caught.value.parameters == {"model": "m"}


def test_a_null_among_many_rows_is_nan() -> None:
    rows = decoded_rows(JSON, b'{"x": [' + b"[1, 2], " * 90_000 + b"[null, 3]]}")
    assert rows.shape == (90_001, 2)
    assert math.isnan(rows[-1, 0])
    assert np.isfinite(rows[:-1]).all()


@pytest.mark.parametrize("codec", [JSON, NDJSON], ids=["json", "ndjson"])
def test_decoding_stops_at_the_first_row_too_many(codec: Codec) -> None:
    body = b"[1, 2]\n" * 200_000 if codec is NDJSON else b'{"x": [' + b"[1, 2], " * 200_000 + b"this is not read"
    with pytest.raises(TooLarge, match="1000"):
        codec.decode(body, {}, Limits(1000, 1))


def test_v2_decoding_stops_at_the_first_row_too_many() -> None:
    body = b'{"inputs": [{"name": "x", "data": [' + b"1, 2, " * 200_000 + b"this is not read"
    with pytest.raises(TooLarge, match=r"^input x has more rows"):
        decode(body, None, V2, Limits(1000, 1))


@pytest.mark.parametrize("unit", ["[],", "{},", '"a":[],', "1,", "[", '"', " "], ids=repr)
@pytest.mark.parametrize("opening", ['{"y": [', '{"x": ', "{", "["])
def test_a_long_text_beside_the_rows_is_an_error(opening: str, unit: str) -> None:
    body = (opening + unit * (3 * MAX_OTHER_BYTES)).encode()
    with pytest.raises(RequestError) as caught:
        JSON.decode(body, {})
    assert len(str(caught.value)) < 200


ELEMENTS = 2**24 + 300_000
TOO_MANY = {
    "a flat list": ("json", '{"x": [', "1,", "1]}"),
    "rows": ("json", '{"x": [', "[1],", "[1]]}"),
    "another key": ("json", '{"y": [', "1,", "1]}"),
    "one line": ("ndjson", "[", "1,", "1]"),
    "v2 data": ("v2", '{"inputs": [{"name": "x", "data": [', "1,", "1]}]}"),
    "a v2 shape": ("v2", '{"inputs": [{"name": "x", "shape": [', "1,", "1]}]}"),
    "another v2 key": ("v2", '{"more": [', "1,", "1]}"),
}
CHILD = """
import sys
from diffeo.service.errors import RequestError
from diffeo.service.codecs import CODECS
from diffeo.service.codecs.v2 import request
from diffeo.service.codecs.v2.signature import Signature, TensorSpec
name, before, unit, after, count = sys.argv[1:]
body = (before + unit * int(count) + after).encode()
signature = Signature((TensorSpec("x", ("FP32",), (-1, 2)),), (TensorSpec("y", ("FP32",), (-1,)),))
try:
    if name == "v2":
        request.decode(body, None, signature)
    else:
        next(codec for codec in CODECS if codec.name == name).decode(body, {})
except RequestError as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("case", TOO_MANY.values(), ids=TOO_MANY.keys())
def test_more_elements_than_simdjson_counts_are_an_error_and_not_a_crash(case: tuple[str, ...]) -> None:
    child = subprocess.run(
        [sys.executable, "-c", CHILD, *case, f"{ELEMENTS}"], check=False, capture_output=True, text=True
    )
    assert child.returncode == 0, child.stderr
    assert child.stdout.strip() in {"InvalidRequest", "TooLarge", "MalformedBody"}


def v2_data(data: bytes, datatype: bytes) -> bytes:
    return b'{"inputs":[{"name":"x","shape":[2,2],"datatype":"%b","data":%b}]}' % (datatype, data) + LONG


REJECTED = {
    "v2: a fraction in a list of integers": v2_data(b"[1,2,3,1.5]", b"INT64"),
    "v2: a fraction in rows of integers": v2_data(b"[[1,2],[3,1.5]]", b"INT64"),
    "v2: a text in a list of floats": v2_data(b'[1,2,3,"a"]', b"FP64"),
    "v2: a ragged row": v2_data(b"[[1,2],[3]]", b"FP64"),
    "json: a ragged row": b'{"x":[[1,2],[3]]}' + LONG,
    "json: a text": b'{"x":[[1,2],[3,"a"]]}' + LONG,
    "json: no end": b'{"x":[[1,2],[3,4' + LONG,
}


@pytest.mark.parametrize("name", REJECTED)
def test_nothing_keeps_a_body_that_was_rejected(name: str) -> None:
    body = REJECTED[name]
    before = sys.getrefcount(body)
    for _ in range(3):
        with pytest.raises(RequestError):
            decode(body, None, V2) if name.startswith("v2") else JSON.decode(body, {})
    gc.collect()
    assert sys.getrefcount(body) == before
