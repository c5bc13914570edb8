"""Every CSV text gives the same numbers read cell by cell and read with pyarrow, as a whole and in segments."""

from collections.abc import Sequence
from reprlib import Repr

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffeo.errors import WrongTable
from diffeo.tables import cells, csv, csv_numbers, csv_text
from diffeo.tables.csv_numbers import SegmentStart
from diffeo.tables.csv_text import Header

HEADER = Header(("a", "b"), 2, 0, 1)
Outcome = tuple[str, object]

WORDS = """1 -2.5 +.5 5. 1e5 1e400 nan -NaN nan(1) Infinity -inf NULL n/a <NA> "1" "NA" "" "1,2" "1"5 "open""".split()
SPACED = ['"a""b"', " na", '" 2 "', '"x\ny"', '"1" ', ' "2"', '5" pipe', "\ufeff1"]
CELL = st.text("0123456789+-.eE \t_xX\u00a0\u000b\"'()inaNAul/<>", max_size=6) | st.sampled_from(WORDS + SPACED)
TEXT = st.lists(st.lists(CELL, min_size=2, max_size=2).map(",".join) | st.lists(CELL, max_size=3).map(",".join)).map(
    "\n".join
)


def read_by_cells(text: bytes, wanted: Sequence[int]) -> Outcome:
    try:
        return "rows", csv_numbers.read_cell_by_cell(text, SegmentStart(HEADER, 0, 1), wanted, "refuse").tolist()
    except WrongTable as error:
        return type(error).__name__, str(error)


def read_whole(text: bytes, wanted: Sequence[int]) -> Outcome:
    try:
        return "rows", csv_numbers.numbers(text, HEADER, wanted).tolist()
    except WrongTable as error:
        return type(error).__name__, str(error)


@pytest.fixture(autouse=True)
def _short_texts_go_through_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_numbers, "SHORT_BYTES", 0)
    monkeypatch.setattr(csv_numbers, "SHORT_COLUMN_BYTES", 0)


@settings(max_examples=2000)
@given(TEXT, st.sampled_from([[0, 1], [1], [1, 0]]))
def test_pyarrow_reads_the_same_numbers_as_the_reader_of_cells(text: str, wanted: list[int]) -> None:
    content = csv_text.body(text.encode(), 0)
    np.testing.assert_equal(read_whole(content, wanted), read_by_cells(content, wanted))
    rows = csv_numbers.read_with_pyarrow(content, HEADER, wanted) if content else None
    if rows is not None:
        np.testing.assert_equal(("rows", rows.tolist()), read_by_cells(content, wanted))


@settings(max_examples=500)
@given(TEXT, st.integers(1, 9))
def test_segments_hold_the_records_of_the_whole_text(text: str, size: int) -> None:
    content = csv_text.body(text.encode(), 0)
    assert b"".join(csv_numbers.segments(content, size)) == content


@settings(max_examples=300)
@given(st.text(', \t"\n\r19aN-.é\ufeff', max_size=12).map(str.encode) | st.binary(max_size=12))
def test_any_text_is_a_table_or_one_short_sentence(content: bytes) -> None:
    try:
        assert csv.read(content).rows().ndim == 2
    except WrongTable as error:
        assert len(str(error)) < 200


HEADERS: dict[str, tuple[bytes, tuple[str, ...] | None, bytes]] = {
    "names": (b"a,b\n1,2\n", ("a", "b"), b"1,2\n"),
    "numbers": (b"1,2\n3,4\n", None, b"1,2\n3,4\n"),
    "numbers and missing cells": (b"1,\nNA,4\n", None, b"1,\nNA,4\n"),
    "missing cells by name": (b"NA,null\n", None, b"NA,null\n"),
    "names that are numbers, in quotes": (b'"2019","2020"\n1,2\n', ("2019", "2020"), b"1,2\n"),
    "one name that is a number, in quotes": (b'a,"7"\n', ("a", "7"), b""),
    "a byte order mark": (b"\xef\xbb\xbfa,b\r\n1,2", ("a", "b"), b"1,2"),
    "a name of two lines": (b'"two\r\nlines",b\r1,2', ("two\r\nlines", "b"), b"1,2"),
    "blanks around names": (b'\ta ,  "b, c" \n', ("a", "b, c"), b""),
    "names without rows": (b"a,b", ("a", "b"), b""),
}


@pytest.mark.parametrize(("content", "names", "rows"), HEADERS.values(), ids=HEADERS.keys())
def test_line_1_is_names_or_the_first_row(content: bytes, names: tuple[str, ...] | None, rows: bytes) -> None:
    header = csv_text.header(content)
    assert header.names == names
    assert content[header.begin :] == rows


REFUSED: dict[str, tuple[bytes, str]] = {
    "a name and a number": (b"a,7\n1,2\n", "column 2 has '7' beside the name 'a'; expected names only or numbers only"),
    "a name and a missing cell": (b"NA,b\n1,2\n", "column 1 has 'NA' beside the name 'b'"),
    "a name and nothing": (b"a,,c\n1,2,3\n", "column 2 has no name beside the name 'a'"),
    "nothing": (b",,\n1,2,3\n", "line 1 has no name"),
    "an empty line": (b"\na,b\n1,2\n", "line 1 has no name"),
    "an empty text": (b"", "the table is empty"),
    "a blank text": (b" \r\n\t\n", "the table is empty"),
    "a line for a spreadsheet": (b"sep=,\na,b\n1,2\n", "line 1 is 'sep=,', which is for a spreadsheet"),
    "a line for a spreadsheet with semicolons": (b"sep=;\na;b\n", "which is for a spreadsheet"),
    "Latin-1": (b"\xe9,b\n1,2\n", "the text is not UTF-8 at byte 0"),
    "Latin-1 in a row": (b"a,b\n1,\xe9\n", "not UTF-8"),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), "not UTF-8"),
    "a quote left open": (b'a,"b\n1,2\n', "line 1: a quote does not enclose its cell"),
    "text behind a quote": (b'"a"b,c\n1,2\n', "line 1: a quote does not enclose its cell"),
    "a quote left open in a row": (b'a,b\n1,2\n3,"4\n5,6\n', "line 3: a quote does not enclose its cell"),
    "text behind a quote in a row": (b'a,b\n"1",1\n"1"5,2\n', "line 3: a quote does not enclose its cell"),
    "a cell that is no number": (b"a,b\n1,2\n3,1_000\n", "line 3, column 'b': '1_000' is no number"),
    "a cell that is no number without names": (b"1,2\n3,x\n", "line 2, column 2: 'x' is no number"),
    "a long cell": (b"a,b\n1," + b"x" * 5000, "line 2, column 'b': 'xxx"),
    "a non-breaking space": ("a,b\n1\u00a0,2\n".encode(), r"line 2, column 'a': '1\xa0' is no number"),
    "a short row": (b"a,b\n1\n", "line 2: cells found: 1; expected 2, as in line 1"),
    "an empty line between rows": (b"a,b\r\n1,2\r\n\r\n3,4", "line 3: cells found: 1; expected 2"),
    "a long line": (b"a,b\n1,2\n" + b"9" * 2_000_000 + b",1\n", "a line is longer than 1048576 bytes"),
    "a name without end": (b"a" * 1_000_000, "a name is longer than 1000 characters"),
}


@pytest.mark.parametrize(("content", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_a_text_that_is_no_table_is_refused_with_the_line_of_the_error(content: bytes, words: str) -> None:
    with pytest.raises(WrongTable) as refusal:
        csv.read(content).rows()
    assert words in str(refusal.value)
    assert len(str(refusal.value)) < 200


def test_a_wrong_cell_far_into_a_large_text_is_reported_with_its_line() -> None:
    rows = b"0.5,0.25\n" * 300_000
    with pytest.raises(WrongTable, match="line 300002, column 'b': 'oops' is no number"):
        csv.read(b"a,b\n" + rows + b"1,oops\n" + rows).rows()


def test_a_quoted_text_column_of_many_segments_is_skipped() -> None:
    rows = b'1,"a, ""b""\nc",2\n' * 200_000
    table = csv.read(b"a,label,b\n" + rows)
    np.testing.assert_array_equal(table.select(["b", "a"]), np.tile([2.0, 1.0], (200_000, 1)))
    np.testing.assert_array_equal(csv.read(b"a,label,b\n" + rows + b' "1",5" pipe,2').select(["b"]).sum(), 400_002)


@given(st.text(max_size=60))
def test_a_cell_is_shown_as_the_standard_library_shortens_it(text: str) -> None:
    short = Repr()
    short.maxstring = cells.SHOWN_CHARACTERS
    assert cells.shown(text) == short.repr(text)
