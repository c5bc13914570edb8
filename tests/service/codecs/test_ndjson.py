"""The ndjson format: one strict JSON row a line; a line that differs from the first is an error with a pointer."""

import json
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffeo.service.answer import Answer, Tensor
from diffeo.service.codecs.ndjson import Ndjson
from diffeo.service.errors import InvalidRequest, MalformedBody, RequestError
from tests.given.decoded_rows import decoded_rows

NDJSON = Ndjson()

MALFORMED = {
    "an empty line": b"\n",
    "white space": b" \r\n",
    "an empty line among rows": b"[1, 2]\n\n[3, 4]\n",
    "an empty line at the end": b"[1, 2]\n\n",
    "an open bracket": b"[1, 2\n",
    "a row over two lines": b"[1,\n2]\n",
    "two rows in a line": b"[1, 2][3, 4]\n",
    "two rows in a line with a comma": b"[1, 2], [3, 4]\n",
    "a comma behind the line": b"[1, 2],\n[3, 4]\n",
    "a comma behind the numbers": b"[1, 2,]\n",
    "a comma before the numbers": b"[,1, 2]\n",
    "no number between commas": b"[1,,2]\n",
    "two numbers without a comma": b"[1 2, 3]\n",
    "a number before the row": b"1[1, 2]\n",
    "a number behind the row": b"[1, 2]1\n",
    "a number before the key": b'{1"x": [1, 2]}\n',
    "a number behind the key": b'{"x"1: [1, 2]}\n',
    "a number before the brace": b'1{"x": [1, 2]}\n',
    "a number within the brace": b'{"x": [1, 2]3}\n',
    "a null before the row": b"null[1, 2]\n",
    "a null beside a number": b"[1null, 2]\n",
    "a null within a null": b"[nunullll, 2]\n",
    "NaN": b"[NaN, 1]\n",
    "Infinity": b"[1, 2]\n[-Infinity, 1]\n",
    "a number beyond float64": b"[1e999, 1]\n",
    "an integer beyond 64 bits": b"[18446744073709551616, 1]\n",
    "a leading zero": b"[01, 2]\n",
    "a leading plus": b"[+1, 2]\n",
    "a bare point": b"[1., 2]\n",
    "hexadecimal": b"[0x1, 2]\n",
    "a minus alone": b"[-, 2]\n",
    "a repeated key": b'{"x": [1, 2], "x": [3, 4]}\n',
    "a repeated key in another spelling": b'{"x": [1, 2], "\\u0078": [3, 4]}\n',
    "a carriage return between rows": b"[1, 2]\r[3, 4]\n",
    "a byte order mark": b"\xef\xbb\xbf[1, 2]\n",
    "UTF-16": "[1, 2]\n".encode("utf-16-le"),
    "Latin-1": b'{"\xe9": [1]}\n',
    "a NUL": b"[1, 2]\n\0\n",
    "too deep": b"[" * 5000 + b"]" * 5000 + b"\n",
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_line_that_is_not_strict_json_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBody, match=r"^(line \d+|the body) [\w ]+") as caught:
        NDJSON.decode(body, {})
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"[5, 6", "is not JSON"),
        (b"[5, NaN]", "is not JSON"),
        (b"[5, 18446744073709551616]", "is not JSON"),
        (b"", "is empty"),
        (b" \t\r", "is empty"),
        (b'{"x": [5], "x": [6]}', "repeats a key"),
    ],
)
def test_the_error_names_the_malformed_line(line: bytes, words: str) -> None:
    with pytest.raises(MalformedBody, match=f"^line 3 {words}"):
        NDJSON.decode(b"[1, 2]\n[3, 4]\n" + line + b"\n[7, 8]\n", {})


ROWS = {
    "a number": (b"1\n", "/0"),
    "null": (b"[1, 2]\nnull\n", "/1"),
    "a string": (b'"[1, 2]"\n', "/0"),
    "an empty row": (b"[]\n", "/0"),
    "an empty row among rows of one": (b"[1]\n[]\n", "/1"),
    "two empty rows": (b"[]\n[]\n", "/0"),
    "an empty row in an object": (b'{"x": [1]}\n{"x": []}\n', "/x/1"),
    "a row that grows": (b"[1, 2]\n[1, 2, 3]\n", "/1"),
    "a row that shrinks": (b'{"x": [1, 2]}\n{"x": [1]}\n', "/x/1"),
    "a nested row": (b"[1, 2]\n[[3, 4]]\n", "/1/0"),
    "a nested number": (b"[[1], 2]\n", "/0/0"),
    "a boolean": (b'{"x": [1, 2]}\n{"x": [1, 2]}\n{"x": [1, 2]}\n{"x": [1, true]}\n', "/x/3/1"),
    "a string for a number": (b'[1, "2"]\n', "/0/1"),
    "a string of a key": (b'["x", 2]\n', "/0/0"),
    "an object for a number": (b'[1, {"x": [1]}]\n', "/0/1"),
    "an object without a key": (b"{}\n", "/0"),
    "another key": (b'{"y": [1, 2]}\n', "/0"),
    "a key with a space": (b'{" x": [1, 2]}\n', "/0"),
    "a key with a digit": (b'{"x1": [1, 2]}\n', "/0"),
    "a key with a letter of numbers": (b'{"ex": [1, 2]}\n', "/0"),
    "a key with a null": (b'{"xnull": [1, 2]}\n', "/0"),
    "a key with a NUL": (b'{"x\\u0000": [1, 2]}\n', "/0"),
    "a key more": (b'{"x": [1, 2], "seed": 1}\n', "/0"),
    "x and z in a line": (b'{"x": [1, 2], "z": [3, 4]}\n', "/0"),
    "x and z": (b'{"x": [1, 2]}\n{"z": [3, 4]}\n', "/z/1"),
    "an object and a list": (b'{"x": [1, 2]}\n[3, 4]\n', "/1"),
    "a list and an object": (b'[1, 2]\n{"x": [3, 4]}\n', "/x/1"),
    "a number for the row": (b'{"x": 1}\n', "/x/0"),
    "null for the row": (b'{"x": [1, 2]}\n{"x": null}\n', "/x/1"),
    "an object for the row": (b'{"x": {"z": [1, 2]}}\n', "/x/0"),
}


@pytest.mark.parametrize(("body", "pointer"), ROWS.values(), ids=ROWS.keys())
def test_a_line_that_is_not_a_row_like_the_first_is_an_invalid_request_with_a_pointer(
    body: bytes, pointer: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        NDJSON.decode(body, {})
    assert [error.pointer for error in caught.value.field_errors] == [pointer]
    assert len(str(caught.value)) < 200


TABLES = {
    "lists": (b"[1, 2]\n[3, 4]\n", None, [[1, 2], [3, 4]]),
    "no line feed at the end": (b"[1, 2]\n[3, 4]", None, [[1, 2], [3, 4]]),
    "objects of x": (b'{"x":[1,2]}\n{ "x" : [ 3 , 4 ] }\n', "x", [[1, 2], [3, 4]]),
    "objects of z": (b'{"z":[-1e3]}\n{"z":[0.5E-1]}\n', "z", [[-1000], [0.05]]),
    "carriage returns": (b"[1, 2]\r\n[3, 4]\r\n", None, [[1, 2], [3, 4]]),
    "tabs": (b"\t[1,\t2]\n[3, 4]\t\n", None, [[1, 2], [3, 4]]),
    "one number": (b"[1]", None, [[1]]),
    "nulls": (b"[null, 1]\n[2, null]\n", None, [[math.nan, 1], [2, math.nan]]),
    "nulls in objects": (b'{"x":[null]}\n{"x":[2]}\n', "x", [[math.nan], [2]]),
    "a minus before zero": (b"[-0.0, 1e-400]\n", None, [[-0.0, 0.0]]),
    "long integers": (b"[18446744073709551615, -9223372036854775808]\n", None, [[2.0**64, -(2.0**63)]]),
    "the ends of float64": (b"[1.7976931348623157e308, 5e-324]\n", None, [[1.7976931348623157e308, 5e-324]]),
    "a key in another spelling": (b'{"\\u0078": [1, 2]}\n{"x": [3, null]}\n', "x", [[1, 2], [3, math.nan]]),
}


@pytest.mark.parametrize(("body", "name", "expected"), TABLES.values(), ids=TABLES.keys())
def test_a_table_is_read_to_the_last_bit_and_null_becomes_nan(
    body: bytes, name: str | None, expected: npt.ArrayLike
) -> None:
    rows = decoded_rows(NDJSON, body)
    assert NDJSON.decode(body, {}).rows_name == name
    assert rows.dtype == np.float64
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_array_equal(np.signbit(rows), np.signbit(expected))


cells = st.integers(-9, 9) | st.floats(-9, 9) | st.none()
pairs = st.lists(cells, min_size=2, max_size=2)
almost_rows = st.lists(cells | st.lists(cells, max_size=3), max_size=3) | cells | st.booleans() | st.text(max_size=2)
keys = st.sampled_from(["x", "z", "y", " x", "x1", ""])
rows = pairs | almost_rows | st.dictionaries(keys, pairs | almost_rows, max_size=2)
plain = st.lists(pairs, min_size=1, max_size=4)
named = keys.flatmap(lambda key: st.lists(st.builds(lambda row: {key: row}, pairs), min_size=1, max_size=4))
layouts = st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " :\r")])


@given(plain | named | st.lists(rows, min_size=1, max_size=4), layouts)
def test_a_body_is_a_table_exactly_when_python_reads_one(lines: list[object], layout: tuple[str, str]) -> None:
    body = "\n".join(json.dumps(line, separators=layout) for line in lines).encode()
    names = {tuple(line) if isinstance(line, dict) else () for line in lines}
    bare = [next(iter(line.values()), None) if isinstance(line, dict) else line for line in lines]
    table = [row for row in bare if isinstance(row, list) and row]
    is_table = (
        names in ({()}, {("x",)}, {("z",)})
        and not any(line == {} for line in lines)
        and len(table) == len(bare)
        and all(cell is None or type(cell) in {int, float} for row in table for cell in row)
        and len({len(row) for row in table}) == 1
    )
    if not is_table:
        with pytest.raises(RequestError):
            NDJSON.decode(body, {})
        return
    payload = NDJSON.decode(body, {})
    expected = [[math.nan if cell is None else cell for cell in row] for row in table]
    np.testing.assert_array_equal(payload.rows, np.array(expected, np.float64))
    assert payload.rows_name == next(iter(next(iter(names))), None)


def test_a_line_is_one_row_of_the_answer_and_null_marks_a_row_without_a_result() -> None:
    tensors: dict[str, Tensor] = {
        "x": np.array([[1, 0.1], [math.nan, math.nan], [-0.0, 1e-7]], np.float32),
        "log_prob": np.array([-0.1, math.nan, 3], np.float64),
        "z": np.array([[1, 2], [math.nan, math.nan], [3, 4]], np.float32),
    }
    assert NDJSON.encode(Answer("m", 2, ("a", "b"), tensors)).decode().splitlines() == [
        '{"x":[1.0,0.1],"log_prob":-0.1,"z":[1.0,2.0]}',
        '{"x":null,"log_prob":null,"z":null}',
        '{"x":[-0.0,1e-7],"log_prob":3.0,"z":[3.0,4.0]}',
    ]
    vector = NDJSON.encode(Answer("m", 2, ("a", "b"), {"log_prob": tensors["log_prob"]}))
    assert vector == b'{"log_prob":-0.1}\n{"log_prob":null}\n{"log_prob":3.0}\n'


def test_lines_with_escaped_keys_are_not_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diffeo.service.codecs.ndjson._decode_line_by_line", None)
    assert NDJSON.decode(b'{"\\u0078": [1, 2]}\n{"x": [3, null]}\n', {}).rows_name == "x"
    assert NDJSON.decode(b'{"\\u007a": [1]}\n{"\\u007A": [3]}\n', {}).rows_name == "z"
