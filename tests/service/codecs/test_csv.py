"""The csv format: a header line, then rows of numbers; every other cell is an error with its line and column."""

import csv
import io
import math
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffeo.bundle.read import read
from diffeo.service.answer import Answer, Tensor
from diffeo.service.codecs.csv import Csv
from diffeo.service.errors import InvalidRequest, RequestError
from diffeo.service.requests import Limits, LogProbRequest
from diffeo.tables.csv_text import MAX_LINE_BYTES
from tests.given.decoded_rows import decoded_rows
from tests.given.flows import affine

CSV = Csv()
MANIFEST = read(affine.PATH).manifest

TABLES: dict[str, tuple[bytes, tuple[str, ...] | None, Sequence[Sequence[float]] | npt.NDArray[np.float64]]] = {
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
    "one name that is a number in quotes": (b'"1",b\n3,4\n', ("1", "b"), [[3, 4]]),
    "names beyond ASCII": ("\u00e9,\u6f22\n1,2\n".encode(), ("\u00e9", "\u6f22"), [[1, 2]]),
    "numbers alone": (b"1.5,2\n3,4\n", None, [[1.5, 2], [3, 4]]),
    "numbers alone, one missing": (b"1.5,\r\n3,4\n", None, [[1.5, math.nan], [3, 4]]),
    "no names but nan and inf": (b"nan,-inf\n3,4\n", None, [[math.nan, -math.inf], [3, 4]]),
    "nan": (b"a,b\nnan,2\n", ("a", "b"), [[math.nan, 2]]),
    "NA": (b"a,b\n1,NA\n", ("a", "b"), [[1, math.nan]]),
    "null": (b"a,b\n1,null\n", ("a", "b"), [[1, math.nan]]),
    "inf": (b"a,b\n1,2\n-inf,Infinity\n", ("a", "b"), [[1, 2], [-math.inf, math.inf]]),
    "a number beyond float64": (b"a,b\n1,2\n3,-1e999\n", ("a", "b"), [[1, 2], [3, -math.inf]]),
    "a space alone": (b"a,b\n1, \n", ("a", "b"), [[1, math.nan]]),
    "a quote behind a space": (b'a,b\n1, "2"\n', ("a", "b"), [[1, 2]]),
    "carriage returns alone": (b"a,b\r1,2\r3,4\r", ("a", "b"), [[1, 2], [3, 4]]),
    "line ends of two kinds": (b"a,b\n1,2\r3,4\n", ("a", "b"), [[1, 2], [3, 4]]),
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


def parsed(body: bytes) -> LogProbRequest:
    """The request of a model that takes all columns of the body."""
    payload = CSV.decode(body, {})
    names = (*(payload.columns or ()), *(column.name for column in payload.unreadable))
    return LogProbRequest.parse(payload, MANIFEST.model_copy(update={"columns": names}), Limits(10**9, 1))


WRONG_CELLS = {
    "text": (b"a,b\n1,2\n3,abc\n", "/1/1", "line 3, column 'b'"),
    "true": (b"a,b\n1,true\n", "/0/1", "line 2, column 'b'"),
    "a date": (b"a,b\n1,2020-01-01\n", "/0/1", "line 2, column 'b'"),
    "hexadecimal": (b"a,b\n0x10,1\n", "/0/0", "line 2, column 'a'"),
    "a comma for a point": (b'a,b\n"1,5",1\n', "/0/0", "line 2, column 'a'"),
    "a thousand with an underscore": (b"a\n1_000\n", "/0/0", "line 2, column 'a'"),
    "an exponent without digits": (b"a,b\n1,2\n3,4e\n", "/1/1", "line 3, column 'b'"),
    "two points": (b"a,b\n1.2.3,2\n", "/0/0", "line 2, column 'a'"),
    "a point alone": (b"a,b\n1,.\n", "/0/1", "line 2, column 'b'"),
    "a minus alone": (b"a,b\n-,1\n", "/0/0", "line 2, column 'a'"),
    "two signs": (b"a,b\n--1,1\n", "/0/0", "line 2, column 'a'"),
    "two signs of two kinds": (b"a,b\n1,+-1\n", "/0/1", "line 2, column 'b'"),
    "two numbers in a field": (b"a,b\n1 2,3\n", "/0/0", "line 2, column 'a'"),
    "a quote inside a cell": (b'a,b\n1"2",3\n', "/0/0", "line 2, column 'a'"),
    "a quote that does not close": (b'a,b\n1,2\n"3,4\n', "/1", "line 3: a quote does not enclose its cell"),
    "a doubled quote": (b'a,b\n"1""2",3\n', "/0/0", "line 2, column 'a'"),
    "a line feed in quotes": (b'a,b\n"1\n2",3\n', "/0/0", "line 2, column 'a'"),
    "a NUL": (b"a,b\n1,\0\n", "/0/1", "line 2, column 'b'"),
    "another script": ("a,b\n1,\u0662\n".encode(), "/0/1", "line 2, column 'b'"),
    "a second header": (b"a,b\n1,2\na,b\n", "/1/0", "line 3, column 'a'"),
    "a wrong cell after a header of two lines": (b'"a\nb",c\n1,x\n', "/0/1", "line 3, column 'c'"),
    "a line too long": (b"a,b,c\n1,2,3\n1,2\n", "/1", "line 3: cells found: 2; expected"),
    "a line too short": (b"a,b\n1,2\n1,2\n1,2,3\n", "/2", "line 4: cells found: 3; expected"),
    "a comma at the end of a line": (b"a,b\n1,2,\n", "/0", "line 2: cells found: 3; expected"),
    "an empty line among rows": (b"a,b\n1,2\n\n3,4\n", "/1", "line 3: cells found: 1; expected 2"),
    "an empty line before the rows": (b"a,b\r\n\r\n1,2\r\n", "/0", "line 2: cells found: 1; expected 2"),
    "semicolons": (b"a;b\n1;2\n", "/0/0", "line 2, column 'a;b'"),
}


@pytest.mark.parametrize(("body", "pointer", "words"), WRONG_CELLS.values(), ids=WRONG_CELLS.keys())
def test_a_wrong_cell_is_an_invalid_request_that_names_its_line_and_column(
    body: bytes, pointer: str, words: str
) -> None:
    with pytest.raises(InvalidRequest, match=re.escape(words)) as caught:
        parsed(body)
    assert [error.pointer for error in caught.value.field_errors] == [pointer]
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("many", [1, 50_000])
def test_the_line_number_is_right_far_into_the_body(many: int) -> None:
    rows = b"0.5,0.25,0.125,0.0625\n" * many
    for wrong_line, words in (
        (b"1,2,3\n", f"line {many + 2}: cells found: 3"),
        (b"1,2,3,4e\n", f"line {many + 2}, column 'd'"),
    ):
        with pytest.raises(InvalidRequest, match=words):
            parsed(b"a,b,c,d\n" + rows + wrong_line + rows)


NO_NAMES = "line 1 has no name and no number"
NO_NAME = "column 2 has no name"
TOO_LONG = "line 1 is no header: a name is longer than 1000 characters"
QUOTE = "line 1: a quote does not enclose its cell"

HEADERS = {
    "a name and a number": (b"1,b\n3,4\n", "column 1 has '1' beside the name 'b'"),
    "a line for a spreadsheet": (b"sep=,\na,b\n1,2\n", "which is for a spreadsheet; remove the line"),
    "an empty line": (b"\na,b\n1,2\n", NO_NAMES),
    "commas alone": (b",,\n1,2,3\n", NO_NAMES),
    "a name that is empty": (b"a,,c\n1,2,3\n", NO_NAME),
    "a name that is empty in quotes": (b'a,""\n1,2\n', NO_NAME),
    "too many names": (",".join(f"c{index}" for index in range(4097)).encode(), "line 1 has 4097 columns"),
    "names that are too long": (",".join(f"{index:01000}a" for index in range(4096)).encode(), TOO_LONG),
    "a name that is too long": (b"a" * 1_000_000, TOO_LONG),
    "a megabyte of spaces": (b"a,b" + b" " * 1_000_000 + b"x\n", TOO_LONG),
    "a megabyte of spaces behind a number": (
        b"1,2" + b" " * 1_000_000 + b"x\n",
        "column 1 has '1' beside the name '2  ",
    ),
    "an open quote": (b'a,"b\n1,2\n', QUOTE),
    "something behind a quote": (b'"a"b,c\n1,2\n', QUOTE),
    "Latin-1": (b"\xe9,b\n1,2\n", "not UTF-8"),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), "not UTF-8"),
}


@pytest.mark.parametrize(("body", "words"), HEADERS.values(), ids=HEADERS.keys())
def test_a_header_that_does_not_name_each_column_once_is_an_error(body: bytes, words: str) -> None:
    with pytest.raises(RequestError, match=words) as caught:
        CSV.decode(body, {})
    assert len(str(caught.value)) < 200


def test_a_text_column_is_an_error_only_if_the_model_takes_it() -> None:
    payload = CSV.decode(b"label,a,b\n5 inch,1,2\nc,3,4\n", {})
    manifest = MANIFEST.model_copy(update={"columns": ("b", "a")})
    assert LogProbRequest.parse(payload, manifest, Limits(9, 1)).x.tolist() == [[2, 1], [4, 3]]
    with pytest.raises(InvalidRequest, match="line 2, column 'label': '5 inch' is no number") as caught:
        parsed(b"label,a,b\n5 inch,1,2\nc,3,4\n")
    assert [error.pointer for error in caught.value.field_errors] == ["/0/0"]


def test_a_column_that_becomes_text_far_into_the_body_is_left_out_from_there_on() -> None:
    rows = b"1,2,0.5\n" * 300_000
    payload = CSV.decode(b"a,label,b\n" + rows + b"1,x,0.5\n" + rows, {})
    assert payload.columns == ("a", "b")
    assert payload.rows is not None
    np.testing.assert_array_equal(payload.rows, np.tile([1.0, 0.5], (600_001, 1)))
    assert payload.unreadable[0].error.detail.startswith("line 300002, column 'label': 'x'")


def test_a_line_longer_than_a_block_is_an_invalid_request() -> None:
    with pytest.raises(InvalidRequest, match=f"longer than {MAX_LINE_BYTES} bytes"):
        CSV.decode(b"a\n" + b"0" * (2 * MAX_LINE_BYTES + 1) + b"\n", {})


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
