"""A file becomes a Table with exactly its numbers, or one sentence names the line and the column with the error."""

import csv
import hashlib
import io
from decimal import Decimal
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pyarrow import parquet

from diffeo.bundle.columns import problem
from diffeo.tables.cells import number
from diffeo.training import data
from diffeo.training.errors import (
    BadHeader,
    DataError,
    DataMissing,
    NotANumber,
    NotFinite,
    RaggedRow,
    UnknownFormat,
    UnreadableFile,
)

Rows = npt.NDArray[np.float64]

FINITE = st.floats(allow_nan=False, allow_infinity=False)
TABLES = arrays.arrays(np.float64, st.tuples(st.integers(1, 20), st.integers(1, 5)), elements=FINITE)
# A byte order mark that begins a file is no part of a name.
LETTERS = st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Zs"], exclude_characters="\ufeff")
NAMES = st.text(LETTERS, min_size=1, max_size=128).filter(lambda name: problem(name) is None)
# Everything that can confuse a reader of numbers, one character or one word at a time.
CELLS = st.text("0123456789+-.eE \t_xX٣\u00a0\u000b\u2028\ufeff\x00", max_size=6) | st.sampled_from(
    ["1", "-2.5", "+.5", "5.", "1e5", "1E-400", "1e400", "nan", "-Inf", "infinity", "NULL", "NA", "true", "1_0", "1f"]
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


def read_text(folder: Path, text: str | bytes) -> data.Table:
    path = folder / "houses.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return data.read(path)


def outcome(folder: Path, text: str) -> tuple[object, ...]:
    try:
        table = read_text(folder, text)
    except DataError as error:
        return (type(error),)
    return table.columns, table.rows.shape, table.rows.tobytes()


def csv_text(columns: list[str], rows: Rows) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(columns)
    writer.writerows(rows.tolist())
    return stream.getvalue()


GOOD_CSV = {
    "a header and rows": ("a,b\n1,2\n3,4\n", ("a", "b"), [[1, 2], [3, 4]]),
    "no header": ("1,2\n3,4\n", ("x0", "x1"), [[1, 2], [3, 4]]),
    "no newline at the end": ("a,b\n1,2", ("a", "b"), [[1, 2]]),
    "blank lines at the end": ("a,b\n1,2\n\n \n\t\n", ("a", "b"), [[1, 2]]),
    "a byte order mark": ("\ufeffa,b\n1,2\n", ("a", "b"), [[1, 2]]),
    "a byte order mark and no header": ("\ufeff1,2\n3,4\n", ("x0", "x1"), [[1, 2], [3, 4]]),
    "windows line ends": ("a,b\r\n1,2\r\n3,4\r\n", ("a", "b"), [[1, 2], [3, 4]]),
    "old mac line ends": ("a,b\r1,2\r3,4\r", ("a", "b"), [[1, 2], [3, 4]]),
    "quoted names": ('"price, net","the ""b"""\n1,2\n', ("price, net", 'the "b"'), [[1, 2]]),
    "quoted numbers": ('a,b\n"1", "2"\n" 3 ",4\n', ("a", "b"), [[1, 2], [3, 4]]),
    "spaces around cells": (" a ,\tb\n 1 ,\t2\t\n", ("a", "b"), [[1, 2]]),
    "every spelling of a number": ("a,b\n+1,-.5\n2.,1e3\n00,1E-400\n", ("a", "b"), [[1, -0.5], [2, 1000], [0, 0]]),
    "names in other scripts": ("größe,高さ\n1,2\n", ("größe", "高さ"), [[1, 2]]),
    "a name of 128 characters": (f"{'a' * 128},b\n1,2\n", ("a" * 128, "b"), [[1, 2]]),
    "a header and no rows": ("a,b\n", ("a", "b"), np.empty((0, 2))),
    "one column": ("a\n1\n2\n", ("a",), [[1], [2]]),
}


@pytest.mark.parametrize(("text", "columns", "rows"), GOOD_CSV.values(), ids=GOOD_CSV.keys())
def test_a_good_csv_becomes_its_columns_and_rows(
    folder: Path, text: str, columns: tuple[str, ...], rows: list[list[float]]
) -> None:
    table = read_text(folder, text)
    assert table.columns == columns
    np.testing.assert_array_equal(table.rows, rows, strict=False)
    assert table.rows.dtype == np.float64


@settings(max_examples=60, deadline=None)
@given(rows=TABLES, seed=st.data())
def test_a_csv_gives_back_the_bits_it_was_written_from(folder: Path, rows: Rows, seed: st.DataObject) -> None:
    width = rows.shape[1]
    named = NAMES.filter(lambda name: number(name) is None)
    columns = seed.draw(st.lists(named, min_size=width, max_size=width, unique=True))
    table = read_text(folder, csv_text(columns, rows))
    assert table.columns == tuple(columns)
    assert table.rows.tobytes() == rows.tobytes()


@settings(max_examples=300, deadline=None)
@given(
    lines=st.lists(st.lists(CELLS, min_size=2, max_size=2) | st.lists(CELLS, max_size=3), min_size=1, max_size=4),
    row=st.integers(0, 3),
)
def test_a_csv_is_judged_alike_with_and_without_quotes(folder: Path, lines: list[list[str]], row: int) -> None:
    plain = "\n".join(["a,b", *(",".join(cells) for cells in lines), "0,0"])
    lines[row % len(lines)] = [f'"{cell}"' for cell in lines[row % len(lines)]]
    quoted = "\n".join(["a,b", *(",".join(cells) for cells in lines), "0,0"])
    assert outcome(folder, plain) == outcome(folder, quoted)


def test_a_csv_of_many_blocks_is_read_in_order(folder: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(60_000, 3))
    table = read_text(folder, csv_text(["a", "b", "c"], rows))
    assert table.rows.tobytes() == rows.tobytes()


@settings(max_examples=40, deadline=None)
@given(rows=TABLES)
def test_an_npy_file_gives_back_its_bits_under_numbered_columns(folder: Path, rows: Rows) -> None:
    np.save(folder / "houses.npy", rows)
    table = data.read(folder / "houses.npy")
    assert table.columns == tuple(f"x{index}" for index in range(rows.shape[1]))
    assert table.rows.tobytes() == rows.tobytes()


@pytest.mark.parametrize("dtype", ["i1", "u8", "f2", "f4", ">f8"])
def test_every_real_type_of_npy_becomes_float64(folder: Path, dtype: str) -> None:
    rows = np.asfortranarray(np.arange(6).reshape(3, 2).astype(dtype))
    np.save(folder / "houses.npy", rows)
    table = data.read(folder / "houses.npy")
    np.testing.assert_array_equal(table.rows, np.arange(6.0).reshape(3, 2), strict=True)


def test_an_npy_file_of_records_gives_the_names_of_their_fields(folder: Path) -> None:
    np.save(folder / "houses.npy", np.array([(1, 2.5), (3, 4)], [("mass", "i4"), ("radius", "f8")]))
    table = data.read(folder / "houses.npy")
    assert table.columns == ("mass", "radius")
    np.testing.assert_array_equal(table.rows, [[1, 2.5], [3, 4]])
    np.save(folder / "houses.npy", np.array([(1, "x")], [("mass", "i4"), ("name", "U1")]))
    with pytest.raises(NotANumber, match=r"houses\.npy: the column 'name' holds <U1"):
        data.read(folder / "houses.npy")


@settings(max_examples=40, deadline=None)
@given(rows=TABLES, seed=st.data())
def test_a_parquet_file_gives_back_its_bits_and_names(folder: Path, rows: Rows, seed: st.DataObject) -> None:
    width = rows.shape[1]
    columns = seed.draw(st.lists(NAMES, min_size=width, max_size=width, unique=True))
    parquet.write_table(pa.table(list(rows.T), names=columns), folder / "houses.parquet")
    table = data.read(folder / "houses.parquet")
    assert table.columns == tuple(columns)
    assert table.rows.tobytes() == rows.tobytes()


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.decimal128(9, 2)], ids=str)
def test_every_real_type_of_parquet_becomes_float64(folder: Path, kind: pa.DataType) -> None:
    column = pa.array([Decimal(1), Decimal(2)] if pa.types.is_decimal(kind) else [1, 2], kind)
    parquet.write_table(pa.table({"a": column}), folder / "houses.parquet")
    np.testing.assert_array_equal(data.read(folder / "houses.parquet").rows, [[1.0], [2.0]], strict=True)


@pytest.mark.parametrize("name", ["houses.CSV", "houses.Csv"])
def test_the_case_of_a_suffix_does_not_matter(folder: Path, name: str) -> None:
    (folder / name).write_text("a,b\n1,2\n")
    assert data.read(folder / name).columns == ("a", "b")


def test_a_table_carries_the_sha256_of_the_bytes_of_its_file(folder: Path) -> None:
    content = b"\xef\xbb\xbfa,b\r\n1,2\r\n\r\n"
    assert read_text(folder, content).sha256 == hashlib.sha256(content).hexdigest()


# Files that are refused, and the words of each error


BAD_CSV: dict[str, tuple[str | bytes, type[DataError], list[str]]] = {
    "an empty file": ("", UnreadableFile, ["empty"]),
    "a blank file": (" \n\t\n", UnreadableFile, ["empty"]),
    "other than UTF-8": (b"a,b\n\xff,1\n", UnreadableFile, ["UTF-8", "byte 4"]),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), UnreadableFile, ["UTF-8"]),
    "a quote left open": ('a,b\n1,2\n3,"4\n', UnreadableFile, ["line 3", "quote"]),
    "text after a quote": ('a,b\n"1"5,2\n', UnreadableFile, ["line 2", "quote"]),
    "a short row": ("a,b,c\n1,2,3\n4,5\n", RaggedRow, ["line 3", "cells found: 2", "expected 3"]),
    "a long row": ("a,b\n1,2\n3,4,5\n", RaggedRow, ["line 3", "cells found: 3", "expected 2"]),
    "a short row without a header": ("1,2\n3\n", RaggedRow, ["line 2", "cells found: 1"]),
    "a blank line between rows": ("a,b\n1,2\n\n3,4\n", RaggedRow, ["line 3", "cells found: 1"]),
    "a blank line between rows of one column": ("a\n1\n\n3\n", NotFinite, ["line 3", "'a'"]),
    "a short row after quoted numbers": ('a,b\n"1","2"\n"3"\n', RaggedRow, ["line 3", "cells found: 1"]),
    "text in a row": ("a,b\n1,2\n3,tall\n", NotANumber, ["line 3", "'b'", "'tall'"]),
    "text in a row without a header": ("1,2\n3,tall\n", NotANumber, ["line 2", "column 2", "'tall'"]),
    "text after windows line ends": ("a,b\r\n1,2\r\nx,4\r\n", NotANumber, ["line 3", "'a'", "'x'"]),
    "text after old mac line ends": ("a,b\r1,2\rx,4\r", NotANumber, ["line 3", "'a'", "'x'"]),
    "text after a quoted row": ('a,b\n"1","2"\n3,"4 m"\n', NotANumber, ["line 3", "'b'", "'4 m'"]),
    "a truth value": ("a,b\n1,true\n", NotANumber, ["line 2", "'b'", "'true'"]),
    "a missing value by name": ("a,b\n1,NA\n", NotFinite, ["line 2", "'b'", "'NA'"]),
    "a grouped number": ("a,b\n1,1_000\n", NotANumber, ["line 2", "'b'", "'1_000'"]),
    "a hexadecimal number": ("a,b\n0x1,2\n", NotANumber, ["line 2", "'a'", "'0x1'"]),
    "digits of another script": ("a,b\n1,٣\n", NotANumber, ["line 2", "'b'", "'٣'"]),
    "a no-break space": ("a,b\n1,\u00a02\n", NotANumber, ["line 2", "'b'"]),
    "semicolons": ("a;b\n1;2\n", NotANumber, ["line 2", "'a;b'", "'1;2'"]),
    "a byte order mark inside": ("a,b\n\ufeff1,2\n", NotANumber, ["line 2", "'a'"]),
    "a cell too long to show": (f"a,b\n1,{'9' * 5000}x\n", NotANumber, ["line 2", "'b'", "..."]),
    "an empty cell": ("a,b\n1,2\n,4\n", NotFinite, ["line 3", "'a'", "''"]),
    "a blank cell": ("a,b\n1, \n3,4\n", NotFinite, ["line 2", "'b'", "''"]),
    "an empty quoted cell": ('a,b\n1,""\n', NotFinite, ["line 2", "'b'"]),
    "an empty cell in line 1": ("1,,3\n4,5,6\n", NotFinite, ["line 1", "'x1'"]),
    "an empty last line of commas": ("a,b\n1,2\n,\n", NotFinite, ["line 3", "'a'"]),
    "NaN": ("a,b\n1,2\n3,NaN\n", NotFinite, ["line 3", "'b'", "'NaN'"]),
    "NaN in line 1": ("1,nan\n3,4\n", NotFinite, ["line 1", "'x1'", "'nan'"]),
    "infinity": ("a,b\n-inf,2\n", NotFinite, ["line 2", "'a'", "'-inf'"]),
    "a number beyond float64": ("a,b\n1,2\n3,4\n1e400,6\n", NotFinite, ["line 4", "'a'", "'1e400'"]),
    "a header with a number": ("a,7\n1,2\n", BadHeader, ["line 1", "'a'", "'7'", "names only or numbers only"]),
    "text in the only kind of row": ("1,tall\n3,4\n", BadHeader, ["line 1", "'tall'", "'1'"]),
    "a header with an inf": ("a,inf\n1,2\n", BadHeader, ["line 1", "'a'", "'inf'"]),
    "a name twice": ("a,b,a\n1,2,x\n", BadHeader, ["two columns", "'a'"]),
    "a name twice up to spaces": ('a," a "\n1,2\n', BadHeader, ["two columns", "'a'"]),
    "an empty name": ("a,,c\n1,2,3\n", BadHeader, ["column 2", "no name"]),
    "a comma after the header": ("a,b,\n1,2,\n", BadHeader, ["column 3", "no name"]),
    "a blank first line": ("\na,b\n1,2\n", BadHeader, ["column 1", "no name"]),
    "a name of 129 characters": (f"{'a' * 129},b\n1,2\n", BadHeader, ["'aaa", "128"]),
}


@pytest.mark.parametrize(("text", "error", "words"), BAD_CSV.values(), ids=BAD_CSV.keys())
def test_a_bad_csv_is_refused_with_the_line_and_the_column(
    folder: Path, text: str | bytes, error: type[DataError], words: list[str]
) -> None:
    with pytest.raises(error) as caught:
        read_text(folder, text)
    assert type(caught.value) is error
    assert all(word in str(caught.value) for word in ["houses.csv", *words]), str(caught.value)
    assert len(str(caught.value)) < 200


def test_the_first_error_in_a_file_is_reported(folder: Path) -> None:
    with pytest.raises(RaggedRow, match="line 3"):
        read_text(folder, "a,b\n1,2\n3\n4,x\n5,\n")


def test_a_wrong_cell_far_into_a_large_csv_is_found(folder: Path) -> None:
    text = "a,b\n" + "0.5,1.25\n" * 150_000 + "1,oops\n" + "0.5,1.25\n" * 10
    with pytest.raises(NotANumber, match="line 150002, column 'b': 'oops' is no number"):
        read_text(folder, text)


BAD_NPY: dict[str, tuple[object, type[DataError], list[str]]] = {
    "one axis": (np.zeros(3), UnreadableFile, ["(3,)", "two axes"]),
    "three axes": (np.zeros((3, 2, 1)), UnreadableFile, ["(3, 2, 1)", "two axes"]),
    "objects": (np.array([[1, None]]), UnreadableFile, ["Object arrays"]),
    "truth values": (np.zeros((3, 2), bool), NotANumber, ["bool"]),
    "complex numbers": (np.zeros((3, 2), complex), NotANumber, ["complex128"]),
    "text": (np.array([["a", "b"]]), NotANumber, ["<U1"]),
    "dates": (np.zeros((3, 2), "M8[s]"), NotANumber, ["datetime64"]),
    "records": (np.zeros((3, 2), [("a", "f8")]), NotANumber, ["'a'"]),
    "NaN": (np.array([[1, 2], [3, np.nan]]), NotFinite, ["row 2", "'x1'"]),
    "infinity": (np.array([[1, 2], [3, 4], [-np.inf, 6]], np.float32), NotFinite, ["row 3", "'x0'"]),
}


@pytest.mark.parametrize(("array", "error", "words"), BAD_NPY.values(), ids=BAD_NPY.keys())
def test_a_bad_npy_array_is_refused(
    folder: Path, array: npt.NDArray[np.generic], error: type[DataError], words: list[str]
) -> None:
    np.save(folder / "houses.npy", array)
    with pytest.raises(error) as caught:
        data.read(folder / "houses.npy")
    assert all(word in str(caught.value) for word in ["houses.npy", *words]), str(caught.value)


BAD_PARQUET: dict[str, tuple[pa.Table, type[DataError], list[str]]] = {
    "text": (pa.table({"a": [1.0], "b": ["tall"]}), NotANumber, ["'b'", "string"]),
    "numbers as text": (pa.table({"a": ["1"]}), NotANumber, ["'a'", "string"]),
    "truth values": (pa.table({"a": [True]}), NotANumber, ["'a'", "bool"]),
    "lists": (pa.table({"a": [1.0], "b": [[1.0, 2.0]]}), NotANumber, ["'b'", "list"]),
    "structs": (pa.table({"a": [{"b": 1.0}]}), NotANumber, ["'a'", "struct"]),
    "dates": (pa.table({"a": pa.array([0], pa.timestamp("s"))}), NotANumber, ["'a'", "timestamp"]),
    "nothing but nulls": (pa.table({"a": pa.nulls(2)}), NotANumber, ["'a'", "null"]),
    "a null": (pa.table({"a": [1.0, 2.0], "b": [3.0, None]}), NotFinite, ["row 2", "'b'", "null"]),
    "a null among integers": (pa.table({"a": [1, None], "b": [3, 4]}), NotFinite, ["row 2", "'a'", "null"]),
    "NaN": (pa.table({"a": [1.0, 2.0], "b": [np.nan, 4.0]}), NotFinite, ["row 1", "'b'", "NaN"]),
    "infinity": (pa.table({"a": [1.0, np.inf]}), NotFinite, ["row 2", "'a'", "infinity"]),
    "a name twice": (pa.table([[1.0], [2.0]], names=["a", "a"]), BadHeader, ["two columns", "'a'"]),
    "an empty name": (pa.table({"a": [1.0], "": [2.0]}), BadHeader, ["column 2", "no name"]),
    "a name of 129 characters": (pa.table({"a" * 129: [1.0]}), BadHeader, ["128"]),
}


@pytest.mark.parametrize(("table", "error", "words"), BAD_PARQUET.values(), ids=BAD_PARQUET.keys())
def test_a_bad_parquet_table_is_refused(
    folder: Path, table: pa.Table, error: type[DataError], words: list[str]
) -> None:
    parquet.write_table(table, folder / "houses.parquet")
    with pytest.raises(error) as caught:
        data.read(folder / "houses.parquet")
    assert all(word in str(caught.value) for word in ["houses.parquet", *words]), str(caught.value)


def npy_bytes() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros((3, 2)))
    return stream.getvalue()


def npz_bytes() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, np.zeros((3, 2)))
    return stream.getvalue()


BROKEN = {
    "an empty npy file": ("houses.npy", b""),
    "an npz archive named npy": ("houses.npy", npz_bytes()),
    "an npy file cut short": ("houses.npy", npy_bytes()[:-1]),
    "an npy file cut in its header": ("houses.npy", npy_bytes()[:40]),
    "an npy header that is not Python": ("houses.npy", npy_bytes().replace(b"}", b"(")),
    "an npy header that claims a petabyte": (
        "houses.npy",
        npy_bytes().replace(b"(3, 2), }             ", b"(99999999999999, 2), }"),
    ),
    "an empty parquet file": ("houses.parquet", b""),
    "text named parquet": ("houses.parquet", b"a,b\n1,2\n"),
}


@pytest.mark.parametrize(("name", "content"), BROKEN.values(), ids=BROKEN.keys())
def test_bytes_that_are_not_what_the_suffix_says_are_refused(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(UnreadableFile, match=name):
        data.read(folder / name)


def test_a_missing_file_is_named_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(DataMissing) as caught:
        data.read(tmp_path / "houses.csv")
    assert str(tmp_path / "houses.csv") in str(caught.value)
    assert ".csv, .parquet, .npy" in str(caught.value)


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "houses.csv").mkdir()
    with pytest.raises(DataMissing, match=r"houses\.csv"):
        data.read(tmp_path / "houses.csv")


@pytest.mark.parametrize("name", ["houses.xlsx", "houses"])
def test_the_error_for_an_unknown_suffix_lists_the_known_ones(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("a,b\n1,2\n")
    with pytest.raises(UnknownFormat) as caught:
        data.read(tmp_path / name)
    assert name in str(caught.value)
    assert ".csv, .parquet, .npy" in str(caught.value)


# Tables that a flow can be fitted to
