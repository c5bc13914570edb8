"""The JSON format is strict: a body that is not one object of parameters and one table is an error with a pointer."""

import json
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffeo.service.answer import Answer, InvalidRow
from diffeo.service.codecs.json import SMALL_BYTES, Json
from diffeo.service.errors import InvalidRequest, MalformedBody, RequestError
from tests.given.decoded_rows import decoded_rows

JSON = Json()


MALFORMED = {
    "nothing": b"",
    "white space": b" \n",
    "a list": b"[]",
    "a number": b"1",
    "null": b"null",
    "an open brace": b"{",
    "an open string": b'{"x',
    "a trailing comma": b'{"x": [[1, 2]],}',
    "something after the object": b"{} {}",
    "single quotes": b"{'x': [[1, 2]]}",
    "a comment": b'{"x": [[1, 2]] /* two */}',
    "NaN": b'{"x": [[NaN, 1]]}',
    "Infinity": b'{"x": [[Infinity, 1]]}',
    "-Infinity": b'{"x": [[-Infinity, 1]]}',
    "a number beyond float64": b'{"x": [[1e999, 1]]}',
    "an integer beyond 64 bits": b'{"x": [[18446744073709551616, 1]]}',
    "a leading zero": b'{"x": [[01, 2]]}',
    "a leading plus": b'{"x": [[+1, 2]]}',
    "a bare point": b'{"x": [[1., 2]]}',
    "hexadecimal": b'{"x": [[0x1, 2]]}',
    "a repeated key": b'{"seed": 1, "seed": 2}',
    "repeated rows": b'{"x": [[1, 2]], "x": [[3, 4]]}',
    "a key repeated in another spelling": b'{"x": [[1, 2]], "\\u0078": [[3, 4]]}',
    "a key with a NUL": b'{"seed\\u0000": 1, "seed": 2}',
    "a lone surrogate": b'{"model": "\\ud800"}',
    "a lone surrogate in a key": b'{"\\udfff": 1}',
    "Latin-1": b'{"model": "\xe9"}',
    "a control character": b'{"model": "a\nb"}',
    "a byte order mark": b'\xef\xbb\xbf{"x": [[1, 2]]}',
    "UTF-16": '{"seed": 1}'.encode("utf-16"),
    "too deep": b'{"model": ' + b"[" * 5000 + b"]" * 5000 + b"}",
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_body_that_is_not_strict_json_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBody, match=r"^(the body|a key of the body) [\w ]+") as caught:
        JSON.decode(body, {})
    assert len(str(caught.value)) < 200


RAGGED = {
    "a flat list": ("[1, 2]", "/x/0"),
    "a number among rows": ("[[1, 2], 3]", "/x/1"),
    "null for a row": ("[[1, 2], null]", "/x/1"),
    "an object for a row": ('[{"a": 1, "b": 2}, [1, 2]]', "/x/0"),
    "one level too many": ("[[[1], [2]]]", "/x/0/0"),
    "two levels too many": ("[[[[1, 2]]]]", "/x/0/0"),
    "a nested row among rows": ("[[1, 2], [[3, 4]]]", "/x/1"),
    "a row that shrinks": ("[[1, 2, 3], [4]]", "/x/1"),
    "a row that grows": ("[[1], [2, 3, 4]]", "/x/1"),
    "an empty row among rows": ("[[1, 2], []]", "/x/1"),
    # These have the same number of numbers and brackets as a table with the same number of rows.
    "a table of pairs in disguise": ("[[1, 2], 3, [[4, 5], 6]]", "/x/1"),
    "a table of ones in disguise": ("[[1], 2, [[3]]]", "/x/1"),
    "a boolean": ("[[true, 1]]", "/x/0/0"),
    "a string": ('[[1, "2"]]', "/x/0/1"),
    "a string with brackets": ('[[1, "[["]]', "/x/0/1"),
    "an object for a number": ('[[1, 2], [{"a": 1}, 2]]', "/x/1/0"),
    "a string for the rows": ('"[[1, 2]]"', "/x"),
    "an object for the rows": ("{}", "/x"),
    "null for the rows": ("null", "/x"),
    "a number for the rows": ("1", "/x"),
}


@pytest.mark.parametrize(("value", "pointer"), RAGGED.values(), ids=RAGGED.keys())
@pytest.mark.parametrize("more", ["", ', "return": ["x"]', ', "model": "[[["'])
def test_rows_that_are_not_a_table_are_an_invalid_request_with_a_pointer(value: str, pointer: str, more: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        JSON.decode(f'{{"x": {value}{more}}}'.encode(), {})
    assert [error.pointer for error in caught.value.field_errors] == [pointer]


TABLES = {
    "[[1, 2], [3, 4]]": [[1, 2], [3, 4]],
    "[[1]]": [[1]],
    "[]": np.zeros((0, 0)),
    "[[-0.0, 1e-400], [1.5E+3, 0.1]]": [[-0.0, 0.0], [1500.0, 0.1]],
    "[[null, 1], [2, 3]]": [[math.nan, 1], [2, 3]],
    "[[null, null]]": [[math.nan, math.nan]],
    "[[18446744073709551615, -9223372036854775808]]": [[2.0**64, -(2.0**63)]],
    "[[1.7976931348623157e308, 5e-324]]": [[1.7976931348623157e308, 5e-324]],
}


@pytest.mark.parametrize(("text", "expected"), TABLES.items(), ids=TABLES.keys())
@pytest.mark.parametrize("more", ["", ', "return": ["x"]', ', "model": "[[["'])
def test_a_table_is_read_to_the_last_bit_and_null_becomes_nan(text: str, expected: npt.ArrayLike, more: str) -> None:
    rows = decoded_rows(JSON, f'{{"x": {text}{more}}}'.encode())
    assert rows.dtype == np.float64
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_array_equal(np.signbit(rows), np.signbit(expected))


cells = st.integers(-9, 9) | st.floats(-9, 9) | st.none()
pairs = st.lists(cells, min_size=2, max_size=2)
almost_rows = st.lists(cells | st.lists(cells, max_size=3), max_size=3) | cells | st.booleans() | st.text(max_size=2)


@given(st.lists(pairs | almost_rows, max_size=4) | st.lists(pairs))
def test_a_body_is_a_table_exactly_when_python_reads_one(value: list[object]) -> None:
    text = json.dumps({"x": value})
    table = [row for row in value if isinstance(row, list) and row]
    is_table = (
        len(table) == len(value)
        and all(cell is None or type(cell) in {int, float} for row in table for cell in row)
        and len({len(row) for row in table}) < 2
    )
    if not is_table:
        with pytest.raises(RequestError):
            JSON.decode(text.encode(), {})
    else:
        expected = [[math.nan if cell is None else cell for cell in row] for row in table]
        np.testing.assert_array_equal(
            decoded_rows(JSON, text.encode()), np.array(expected, np.float64).reshape(len(value), -1 if value else 0)
        )


def test_parameters_are_separated_from_rows() -> None:
    body = b'{"model": "m", "z": [[1]], "seed": 7, "temperature": 0.5, "return": ["x"], "flag": true, "none": null}'
    payload = JSON.decode(body, {})
    assert payload.rows_name == "z"
    assert payload.parameters == {
        "model": "m", "seed": 7, "temperature": 0.5, "return": ["x"], "flag": True, "none": None
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "query", "pointer"),
    [
        (b'{"x": [[1]], "z": [[1]]}', {}, "/z"),
        (b'{"x": [[1]]}', {"seed": "1"}, ""),
        (json.dumps({str(index): 0 for index in range(10_000)}).encode(), {}, ""),
    ],
    ids=["x and z", "a query beside the body", "ten thousand keys"],
)
def test_a_body_that_is_not_one_request_is_an_invalid_request(body: bytes, query: dict[str, str], pointer: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        JSON.decode(body, query)
    assert [error.pointer for error in caught.value.field_errors] == [pointer]


def test_json_writes_null_for_nan_and_keeps_the_order_of_the_answer() -> None:
    x = np.array([[1, 2], [math.nan, math.nan]], np.float32)
    tensors = {"x": x, "log_prob": np.array([-0.1, math.nan], np.float32)}
    text = JSON.encode(
        Answer("m", 2, ("x0", "x1"), tensors, {"seed": 7}, (InvalidRow(1, "non_finite_output"),))
    ).decode()
    assert text == (
        '{"model":"m","version":2,"seed":7,"x":[[1.0,2.0],null],"log_prob":[-0.1,null],'
        '"invalid_rows":[{"row":1,"reason":"non_finite_output"}]}'
    )


ROW_VALUES = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | st.just("1")
ROWS = st.lists(st.lists(ROW_VALUES | st.lists(st.integers(0, 9)), max_size=3) | ROW_VALUES, max_size=4)
DOCUMENTS = st.dictionaries(st.sampled_from(["x", "z", "model", "return", "[,", 'a"b']), ROWS | ROW_VALUES, max_size=3)


def decoded_or_error(body: bytes) -> tuple[object, ...]:
    try:
        payload = JSON.decode(body, {})
    except RequestError as error:
        return type(error), str(error)
    rows = None if payload.rows is None else (payload.rows.shape, payload.rows.tobytes())
    return payload.parameters, rows, payload.rows_name


@given(DOCUMENTS.map(json.dumps).map(str.encode))
def test_the_fast_and_the_careful_path_give_the_same_result(body: bytes) -> None:
    # White space makes a small body large, so that it takes the path of large bodies.
    assert decoded_or_error(body) == decoded_or_error(body + b" " * SMALL_BYTES)


@given(
    st.lists(st.lists(st.integers(-9, 9) | st.lists(st.integers(0, 9), max_size=2), max_size=3), min_size=1, max_size=5)
)
def test_a_large_body_is_a_table_only_if_every_row_is_as_long_as_the_first(rows: list[list[object]]) -> None:
    flat = all(isinstance(value, int) for row in rows for value in row)
    is_table = flat and len({len(row) for row in rows}) == 1 and bool(rows[0])
    body = json.dumps({"x": rows}).encode() + b" " * SMALL_BYTES
    assert (decoded_or_error(body)[0] is not InvalidRequest) == is_table


def test_the_error_of_a_syntax_error_does_not_call_it_fatal() -> None:
    with pytest.raises(MalformedBody, match=r"^the body is not JSON: missing or superfluous commas") as caught:
        JSON.decode(b'{"x": [[1, 2]]', {})
    assert "fatal" not in str(caught.value)
