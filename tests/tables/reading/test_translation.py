"""A text of any dialect is translated to the strict text with the same cells on the same lines, in any blocks."""

import csv as python_csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffeo.errors import TableError
from diffeo.tables import csv_records
from diffeo.tables.reading.options import ReadOptions
from diffeo.tables.reading.text import dialect, translation
from diffeo.tables.reading.text.dialect import Dialect
from diffeo.tables.reading.text.translation import StrictText, strict_text

# Everything that can confuse a translation: the delimiters, the signs, quotes and line ends.
CELLS = st.text('12;,.\t|"e\n é', max_size=6)
TABLES = st.integers(1, 3).flatmap(
    lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=5)
)


def written(rows: list[list[str]], delimiter: str) -> str:
    stream = io.StringIO()
    python_csv.writer(stream, delimiter=delimiter, quoting=python_csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return stream.getvalue()


@settings(max_examples=200, deadline=None)
@given(
    rows=TABLES,
    delimiter=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-16-le", "iso8859-1"]),
    size=st.sampled_from([1, 2, 3, 7, 2**22]),
)
def test_the_cells_are_the_same_in_every_dialect_and_block(
    rows: list[list[str]], delimiter: str, encoding: str, size: int
) -> None:
    content = written(rows, delimiter).encode(encoding)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(translation, "READ_BYTES", size)
        found = strict_text(content, Dialect(encoding, delimiter), "rows.csv").decode()
    assert [cells for _, cells in csv_records.records(found, 1)] == rows
    assert found.count("\n") == written(rows, delimiter).count("\n")


@pytest.mark.parametrize("delimiter", ";\t|")
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_decimal_commas_become_points_in_numbers_alone(delimiter: str, end: str) -> None:
    rows = [["mass, kg", "b"], ["1,5", "-2,25e3"], ["a, b", ",5"], ["x.y", "3"], ["1,2,3", "7,"]]
    text = end.join(delimiter.join(row) for row in rows) + end
    found = strict_text(text.encode(), Dialect("utf-8", delimiter, ","), "rows.csv").decode()
    expected = [["mass, kg", "b"], ["1.5", "-2.25e3"], ["a, b", ".5"], ["x.y", "3"], ["1,2,3", "7."]]
    assert [cells for _, cells in csv_records.records(found, 1)] == expected


def test_a_long_text_of_numbers_is_translated_like_a_short_one() -> None:
    text = "a;b\n" + "0,5;1,25\n" * 600_000
    found = strict_text(text.encode(), Dialect("utf-8", ";", ","), "rows.csv")
    assert found == b"a,b\n" + b"0.5,1.25\n" * 600_000


def test_a_strict_text_is_read_as_a_stream_that_goes_forward() -> None:
    stream = StrictText(io.BytesIO(b"a;b\n1;2\n3;4\n"), Dialect("utf-8", ";"), "rows.csv")
    assert stream.read(3) == b"a,b"
    assert stream.seek(8) == 8
    assert stream.read() == b"3,4\n"
    with pytest.raises(io.UnsupportedOperation):
        stream.seek(0)


def test_bytes_that_the_encoding_does_not_have_are_an_error_that_names_the_option() -> None:
    with pytest.raises(TableError, match=r"rows\.csv is not UTF-8 throughout: .*--encoding"):
        strict_text(b"a;b\n\xff;1\n", Dialect("utf-8", ";"), "rows.csv")


SNIFFED = {
    "commas": ("a,b\n1,2\n3,4\n", (",", ".")),
    "semicolons": ("a;b\n1;2\n3;4\n", (";", ".")),
    "semicolons and commas": ("a;b\n1,5;2\n3;4,25\n", (";", ",")),
    "tabs and commas": ("a\tb\n1,5\t2\n", ("\t", ",")),
    "bars": ("a|b\n1|2\n", ("|", ".")),
    "semicolons in text cells": ("a,b,note\n1,2,x;y\n3,4,z;w\n", (",", ".")),
    "commas in text cells": ("a;b;note\n1;2;x, y\n3;4;z, w\n", (";", ".")),
    "one column": ("a\n1\n2\n", (",", ".")),
    "one column of decimal commas": ('"1,5"\n"2,5"\n', (",", ",")),
    "thousands and decimal commas": ("a;b\n1,250;0,5\n", (";", ",")),
    "decimal points": ("a;b\n1.250;0.5\n", (";", ".")),
}


@pytest.mark.parametrize(("text", "expected"), SNIFFED.values(), ids=SNIFFED.keys())
def test_the_delimiter_and_the_decimal_sign_are_found(text: str, expected: tuple[str, str]) -> None:
    found = dialect.find(text.encode(), ReadOptions(), "rows.csv", cut=False)
    assert (found.delimiter, found.decimal) == expected
