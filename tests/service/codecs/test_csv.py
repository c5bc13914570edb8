"""The csv format: a header line, then rows of numbers; every other cell is an error with its line and column."""

import csv
import io
import math
import re

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffeo.service.answer import Answer, Tensor
from diffeo.service.codecs.csv import BLOCK_BYTES, Csv
from diffeo.service.errors import InvalidRequest, MalformedBody, RequestError
from tests.given.decoded_rows import decoded_rows

CSV = Csv()

TABLES = {
    "two columns": (b"a,b\n1,2\n3,4\n", ("a", "b"), [[1, 2], [3, 4]]),
    "no line feed at the end": (b"a,b\n1,2\n3,4", ("a", "b"), [[1, 2], [3, 4]]),
    "blank lines at the end": (b"a,b\n1,2\n\r\n\n", ("a", "b"), [[1, 2]]),
    "carriage returns": (b"a,b\r\n1,2\r\n3,4\r\n", ("a", "b"), [[1, 2], [3, 4]]),
    "a byte order mark": (b"\xef\xbb\xbfa,b\n1,2\n", ("a", "b"), [[1, 2]]),
    "no rows": (b"a,b\n", ("a", "b"), np.empty((0, 2))),
    "no rows and no line feed": (b"a,b", ("a", "b"), np.empty((0, 2))),
    "empty fields": (b"a,b\n,2\n3,\n,\n", ("a", "b"), [[math.nan, 2], [3, math.nan], [math.nan, math.nan]]),
    "an empty line of one column": (b"a\n1\n\n3\n", ("a",), [[1], [math.nan], [3]]),
    "quoted fields": (b'"a","b"\n"1","2"\n3,""\n', ("a", "b"), [[1, 2], [3, math.nan]]),
    "spaces around numbers": (b"a, b\n 1 ,\t2\n", ("a", "b"), [[1, 2]]),
    "exponents": (b"a,b\n1e3,-2.5E-1\n+1e+05,.5\n", ("a", "b"), [[1000, -0.25], [1e5, 0.5]]),
    "a minus before zero": (b"a\n-0.0\n", ("a",), [[-0.0]]),
    "the ends of float64": (b"a,b\n1.7976931348623157e308,5e-324\n", ("a", "b"), [[1.7976931348623157e308, 5e-324]]),
    "names with commas and quotes": (b'"a,b","say ""b"""\n1,2\n', ("a,b", 'say "b"'), [[1, 2]]),
    "a name of two lines": (b'"two\nlines"\n1\n', ("two\nlines",), [[1]]),
    "names that are numbers in quotes": (b'"1","2"\n3,4\n', ("1", "2"), [[3, 4]]),
    "one name that is a number": (b"1,b\n3,4\n", ("1", "b"), [[3, 4]]),
    "names beyond ASCII": ("\u00e9,\u6f22\n1,2\n".encode(), ("\u00e9", "\u6f22"), [[1, 2]]),
}  # fmt: skip


@pytest.mark.parametrize(("body", "names", "expected"), TABLES.values(), ids=TABLES.keys())
def test_a_table_is_read_to_the_last_bit_with_its_names(
    body: bytes, names: tuple[str, ...], expected: npt.ArrayLike
) -> None:
    payload, rows = CSV.decode(body, {}), decoded_rows(CSV, body)
    assert (payload.columns, payload.rows_name) == (names, None)
    assert rows.dtype == np.float64
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_array_equal(np.signbit(rows), np.signbit(expected))


WRONG_CELLS = {
    "text": (b"a,b\n1,2\n3,abc\n", "/1/1", "line 3, column 2"),
    "nan": (b"a,b\nnan,2\n", "/0/0", "line 2, column 1"),
    "NA": (b"a,b\n1,NA\n", "/0/1", "line 2, column 2"),
    "null": (b"a,b\n1,null\n", "/0/1", "line 2, column 2"),
    "inf": (b"a,b\n1,2\n1,2\n-inf,2\n", "/2/0", "line 4, column 1"),
    "infinity": (b"a,b\n1,Infinity\n", "/0/1", "line 2, column 2"),
    "true": (b"a,b\n1,true\n", "/0/1", "line 2, column 2"),
    "a date": (b"a,b\n1,2020-01-01\n", "/0/1", "line 2, column 2"),
    "hexadecimal": (b"a,b\n0x10,1\n", "/0/0", "line 2, column 1"),
    "a comma for a point": (b'a,b\n"1,5",1\n', "/0/0", "line 2, column 1"),
    "a thousand with an underscore": (b"a\n1_000\n", "/0/0", "line 2, column 1"),
    "an exponent without digits": (b"a,b\n1,2\n3,4e\n", "/1/1", "line 3, column 2"),
    "two points": (b"a,b\n1.2.3,2\n", "/0/0", "line 2, column 1"),
    "a point alone": (b"a,b\n1,.\n", "/0/1", "line 2, column 2"),
    "a minus alone": (b"a,b\n-,1\n", "/0/0", "line 2, column 1"),
    "two signs": (b"a,b\n--1,1\n", "/0/0", "line 2, column 1"),
    "two signs of two kinds": (b"a,b\n1,+-1\n", "/0/1", "line 2, column 2"),
    "a space alone": (b"a,b\n1, \n", "/0/1", "line 2, column 2"),
    "a quote behind a space": (b'a,b\n1, "2"\n', "/0/1", "line 2, column 2"),
    "two numbers in a field": (b"a,b\n1 2,3\n", "/0/0", "line 2, column 1"),
    "a quote that opens late": (b'a,b\n1"2",3\n', "/0/0", "line 2, column 1"),
    "a quote that does not close": (b'a,b\n1,2\n"3,4\n', "/1", "line 3 has 1 cells"),
    "a doubled quote": (b'a,b\n"1""2",3\n', "/0/0", "line 2, column 1"),
    "a line feed in quotes": (b'a,b\n"1\n2",3\n', "/0/0", "line 2, column 1"),
    "a NUL": (b"a,b\n1,\0\n", "/0/1", "line 2, column 2"),
    "another script": ("a,b\n1,\u0662\n".encode(), "/0/1", "line 2, column 2"),
    "a second header": (b"a,b\n1,2\na,b\n", "/1/0", "line 3, column 1"),
    "a fault behind a header of two lines": (b'"a\nb",c\n1,x\n', "/0/1", "line 3, column 2"),
    "a line too long": (b"a,b,c\n1,2,3\n1,2\n", "/1", "line 3 has 2 cells; the header has 3 names"),
    "a line too short": (b"a,b\n1,2\n1,2\n1,2,3\n", "/2", "line 4 has 3 cells; the header has 2 names"),
    "a comma at the end of a line": (b"a,b\n1,2,\n", "/0", "line 2 has 3 cells"),
    "an empty line among rows": (b"a,b\n1,2\n\n3,4\n", "/1", "line 3 is empty"),
    "an empty line before the rows": (b"a,b\r\n\r\n1,2\r\n", "/0", "line 2 is empty"),
    "semicolons": (b"a;b\n1;2\n", "/0/0", "line 2, column 1"),
    "a number beyond float64": (
        b"a,b\n1,2\n3,-1e999\n",
        "/1/1",
        "line 3, column 2: the number is out of the range of float64",
    ),
}


@pytest.mark.parametrize(("body", "pointer", "words"), WRONG_CELLS.values(), ids=WRONG_CELLS.keys())
def test_a_wrong_cell_is_an_invalid_request_that_names_its_line_and_column(
    body: bytes, pointer: str, words: str
) -> None:
    with pytest.raises(InvalidRequest, match=re.escape(words)) as caught:
        CSV.decode(body, {})
    assert [error.pointer for error in caught.value.field_errors] == [pointer]
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("many", [1, 50_000])
def test_the_line_number_is_right_far_into_the_body(many: int) -> None:
    rows = b"0.5,0.25,0.125,0.0625\n" * many
    for wrong_line, words in (
        (b"1,2,3\n", f"line {many + 2} has 3 cells"),
        (b"1,2,3,4e\n", f"line {many + 2}, column 4"),
    ):
        with pytest.raises(InvalidRequest, match=words):
            CSV.decode(b"a,b,c,d\n" + rows + wrong_line + rows, {})


NO_NAMES = "line 1 has no names"
NOT_UNIQUE = "line 1 has an empty or repeated name"
NO_HEADER = "line 1 is not a csv header"

HEADERS = {
    "numbers": (b"1.5,2\n3,4\n", NO_NAMES),
    "numbers and nothing": (b"1.5,\r\n3,4\n", NO_NAMES),
    "nan": (b"nan,-inf\n3,4\n", NO_NAMES),
    "an empty line": (b"\na,b\n1,2\n", NO_NAMES),
    "commas alone": (b",,\n1,2,3\n", NO_NAMES),
    "a name that is empty": (b"a,,c\n1,2,3\n", NOT_UNIQUE),
    "a name that is empty in quotes": (b'a,""\n1,2\n', NOT_UNIQUE),
    "a name that stands twice": (b"a,b,a\n1,2,3\n", NOT_UNIQUE),
    "a name that stands twice once in quotes": (b'a,"a"\n1,2\n', NOT_UNIQUE),
    "too many names": (",".join(f"c{index}" for index in range(4097)).encode(), "line 1 names 4097 columns"),
    "names that are too long": (",".join(f"{index:01000}a" for index in range(4096)).encode(), NO_HEADER),
    "a name that is too long": (b"a" * 1_000_000, NO_HEADER),
    "a megabyte of spaces": (b"1,2" + b" " * 1_000_000 + b"x\n", NO_HEADER),
    "an open quote": (b'a,"b\n1,2\n', NO_HEADER),
    "something behind a quote": (b'"a"b,c\n1,2\n', NO_HEADER),
    "Latin-1": (b"\xe9,b\n1,2\n", "line 1 is not UTF-8"),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), "line 1 is not UTF-8"),
}


@pytest.mark.parametrize(("body", "words"), HEADERS.values(), ids=HEADERS.keys())
def test_a_header_that_does_not_name_each_column_once_is_an_error(body: bytes, words: str) -> None:
    with pytest.raises(RequestError, match=words) as caught:
        CSV.decode(body, {})
    assert len(str(caught.value)) < 200


def test_a_carriage_return_alone_does_not_end_a_line() -> None:
    with pytest.raises(MalformedBody, match="carriage return"):
        CSV.decode(b"a,b\n1,2\r3,4\n", {})


def test_a_line_longer_than_a_block_is_an_invalid_request() -> None:
    with pytest.raises(InvalidRequest, match=f"longer than {BLOCK_BYTES} bytes"):
        CSV.decode(b"a\n" + b"0" * (2 * BLOCK_BYTES + 1) + b"\n", {})


def test_an_answer_is_a_header_and_lines_of_numbers_in_their_shortest_form() -> None:
    tensors: dict[str, Tensor] = {
        "x": np.array([[1, 0.1], [math.nan, math.nan], [-0.0, 1e-7]], np.float32),
        "z": np.array([[1, 2], [math.nan, math.nan], [3, 4]], np.float64),
        "log_prob": np.array([-0.1, math.nan, 3], np.float32),
    }
    assert CSV.encode(Answer("m", 2, ("a", "b c"), tensors)) == (
        b"a,b c,z0,z1,log_prob\n1.0,0.1,1.0,2.0,-0.1\n,,,,\n-0.0,1e-7,3.0,4.0,3.0\n"
    )


def test_a_row_without_a_result_is_not_an_empty_line() -> None:
    body = CSV.encode(Answer("m", 1, ("a", "b"), {"log_prob": np.array([1, math.nan], np.float32)}))
    assert body == b'log_prob\n1.0\n""\n'
    np.testing.assert_array_equal(CSV.decode(body, {}).rows, [[1], [math.nan]])


@pytest.mark.parametrize(
    ("columns", "header"),
    [
        (("a", "b"), "a,b,z0,z1"),
        (("z0", "b"), "x0,x1,z0,z1"),
        (("a", "log_prob"), "x0,x1,z0,z1"),
        (("log_abs_det_jacobian", "b"), "x0,x1,z0,z1"),
        (("a", "z99"), "x0,x1,z0,z1"),
        (("Z0", "z"), "Z0,z,z0,z1"),
    ],
)
def test_every_name_in_a_header_is_unique(columns: tuple[str, ...], header: str) -> None:
    table = np.zeros((1, 2), np.float32)
    assert CSV.encode(Answer("m", 1, columns, {"x": table, "z": table})).decode().splitlines()[0] == header
    alone = CSV.encode(Answer("m", 1, columns, {"x": table})).decode().splitlines()[0]
    assert header.startswith(alone)


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8) | st.sampled_from(
    ["1", "nan", " a", "a ", "\ufeffa"]
)


@given(st.lists(names, min_size=1, max_size=4, unique=True))
def test_any_column_names_are_read_back_by_this_codec_and_by_python(columns: list[str]) -> None:
    body = CSV.encode(Answer("m", 1, tuple(columns), {"x": np.ones((1, len(columns)), np.float32)}))
    read = list(CSV.decode(body, {}).columns or ())
    assert read == next(csv.reader(io.StringIO(body.decode(), newline="")))[: len(columns)] or read == columns
    assert read in (columns, [f"x{index}" for index in range(len(columns))])
