"""A file of rows reads back as it was written; a file that is not a table is refused in one sentence."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from diffeo.errors import TableError
from diffeo.tables import files
from diffeo.tables.csv import CsvTable

finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
tables = arrays.arrays(np.float32, st.tuples(st.integers(1, 5), st.just(2)), elements=finite)


@pytest.mark.parametrize("suffix", [".csv", ".npy"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(rows=tables)
def test_rows_read_back_to_the_bit_in_one_part_or_many(suffix: str, rows: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / f"rows{suffix}"
    with files.writer(path, ["a", "b"]) as out:
        for row in rows:
            out.write(row[None])
    assert files.read(path).select(["a", "b"]).astype(np.float32).tobytes() == rows.tobytes()
    assert names_of(path) == (("a", "b") if suffix == ".csv" else None)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    path.unlink()


def names_of(path: Path) -> tuple[str, ...] | None:
    """The names of the columns in a file."""
    table = files.read(path).table
    names = table.header.names if isinstance(table, CsvTable) else None
    return names and tuple(name.strip() for name in names)


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


CSV: dict[str, tuple[str | bytes, tuple[str, ...] | None, list[list[float]]]] = {
    "a header": ("a,b\n1,2\n", ("a", "b"), [[1, 2]]),
    "no header": ("1,2\n3,4\n", None, [[1, 2], [3, 4]]),
    "a byte order mark": ("\ufeffa,b\n1,2\n", ("a", "b"), [[1, 2]]),
    "carriage returns": ("a,b\r\n1,2\r\n", ("a", "b"), [[1, 2]]),
    "quotes and spaces": ('"a"," b"\n" 1", 2\n', ("a", "b"), [[1, 2]]),
    "blank lines at the end": ("a,b\n1,2\n\n \n", ("a", "b"), [[1, 2]]),
    "carriage returns alone": ("a,b\r1,2\r", ("a", "b"), [[1, 2]]),
    "missing cells": ("a,b\n,2\n NA ,null\n", ("a", "b"), [[np.nan, 2], [np.nan, np.nan]]),
    "names of other scripts": ("é,b\n1,2\n", ("é", "b"), [[1, 2]]),
    "nan, inf and exponents": ("nan,-inf\n1e3,+.5\n", None, [[np.nan, -np.inf], [1000, 0.5]]),
    "a header alone": ("a,b\n", ("a", "b"), []),
}


@pytest.mark.parametrize(("text", "columns", "rows"), CSV.values(), ids=CSV.keys())
def test_csv_is_numbers_with_or_without_names(
    text: str | bytes, columns: tuple[str, ...] | None, rows: list[list[float]], tmp_path: Path
) -> None:
    path = written(tmp_path / "rows.csv", text)
    assert names_of(path) == columns
    np.testing.assert_array_equal(files.read(path).select(columns or ["a", "b"]), np.array(rows).reshape(-1, 2))


NULL: dict[str, tuple[str, tuple[str, ...], list[list[float]]]] = {
    "missing and other cells": ("a,b\n,2\nx,1_0\n", ("a", "b"), [[np.nan, 2], [np.nan, np.nan]]),
    "names of other scripts and digits of none": ("é,b\n\u0661,2\n", ("é", "b"), [[np.nan, 2]]),
    "blank lines": ("a,b\n\n1,2\n\n", ("a", "b"), [[1, 2]]),
    "a ragged row": ("a,b\n1,2\n3\n4,5,6\n", ("a", "b"), [[1, 2], [np.nan, np.nan], [np.nan, np.nan]]),
}


@pytest.mark.parametrize(("text", "columns", "rows"), NULL.values(), ids=NULL.keys())
def test_a_wrong_cell_or_row_is_missing_when_the_caller_chooses_null(
    text: str, columns: tuple[str, ...], rows: list[list[float]], tmp_path: Path
) -> None:
    table = files.read(written(tmp_path / "rows.csv", text))
    np.testing.assert_array_equal(table.select(columns, "null"), rows)
    with pytest.raises(TableError, match=r"rows\.csv: line \d"):
        table.select(columns)


def saved(value: object, save: Callable[..., None] = np.save) -> bytes:
    buffer = io.BytesIO()
    save(buffer, value)
    return buffer.getvalue()


HUGE = b"(4611686018427387904, 2), }"

BAD: dict[str, tuple[str, str | bytes, str]] = {
    "an empty file": ("rows.csv", "", "rows.csv: the table is empty"),
    "a ragged row": ("rows.csv", "a,b\n1,2\n3\n", "rows.csv: line 3: cells found: 1; expected 2"),
    "Latin-1": ("rows.csv", b"a,\xe9\n1,2\n", "not UTF-8 at byte 2"),
    "a cell without an end": ("rows.csv", "a,b\n" + "9" * 2_000_000 + ",1\n", "a line is longer than 1048576 bytes"),
    "another suffix": ("rows.txt", "1,2\n", "read from .csv or .npy"),
    "an empty npy": ("rows.npy", b"", "rows.npy"),
    "text called npy": ("rows.npy", b"a,b\n1,2\n", "rows.npy"),
    "a cut npy": ("rows.npy", saved(np.ones((9, 2)))[:-1], "rows.npy"),
    "objects": ("rows.npy", saved(np.array([[1, None]], dtype=object)), "rows.npy"),
    "an archive": ("rows.npy", saved(np.ones((1, 2)), np.savez), "rows.npy"),
    "a vector": ("rows.npy", saved(np.ones(3)), r"float64 of shape \(3,\); expected a table of numbers"),
    "text in npy": ("rows.npy", saved(np.array([["a", "b"]])), "expected a table of numbers"),
    "a header of brackets": ("rows.npy", b"\x93NUMPY\1\0\xc8\0" + b"(" * 200, "rows.npy"),
    "a huge shape": ("rows.npy", saved(np.ones((1, 2))).replace(b"(1, 2), }" + b" " * 18, HUGE), "rows.npy"),
}


@pytest.mark.parametrize(("name", "content", "words"), BAD.values(), ids=BAD.keys())
def test_a_file_that_holds_no_table_is_refused(name: str, content: str | bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(TableError, match=words):
        files.read(written(tmp_path / name, content)).select(["a", "b"])


def test_a_file_that_cannot_be_opened_and_a_missing_file_have_different_errors(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"no file .*absent.csv"):
        files.read(tmp_path / "absent.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(TableError, match=r"folder.csv cannot be read: Is a directory"):
        files.read(tmp_path / "folder.csv")


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float16, np.float64, ">f8"])
def test_npy_of_any_numbers_is_a_table(dtype: npt.DTypeLike, tmp_path: Path) -> None:
    rows = np.arange(6).reshape(3, 2).astype(dtype)
    names = ["a", "b"]
    read = files.read(written(tmp_path / "rows.npy", saved(np.asfortranarray(rows)))).select(names)
    np.testing.assert_array_equal(read, rows)
    assert read.dtype == np.float64
    single = files.read(written(tmp_path / "rows.npy", saved(rows.astype(np.float32)))).select(names)
    assert single.dtype == np.float32


def test_npy_of_records_is_matched_by_name(tmp_path: Path) -> None:
    records = np.array([(1, 2.0), (3, 4.0)], [("b", "i4"), ("a", "f8")])
    table = files.read(written(tmp_path / "rows.npy", saved(records)))
    np.testing.assert_array_equal(table.select(["a", "b"]), [[2, 1], [4, 3]])
    with pytest.raises(TableError, match=r"rows\.npy: the table has b, a; the model takes a, c; missing: c"):
        table.select(["a", "c"])


def test_columns_are_taken_by_name_where_the_file_has_them_and_by_position_where_not(tmp_path: Path) -> None:
    named = files.read(written(tmp_path / "named.csv", "a,b,c\n1,2,3\n"))
    assert named.select(["c", "a"]).tolist() == [[3, 1]]
    with pytest.raises(TableError, match=r"named\.csv: the table has a, b, c; the model takes x, y, z; missing:"):
        named.select(["x", "y", "z"])
    assert files.read(written(tmp_path / "rows.csv", "1,2,3\n")).select(["x", "y", "z"]).tolist() == [[1, 2, 3]]


def test_a_file_of_other_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="the table has a, b; the model takes a, height; missing: height"):
        files.read(written(tmp_path / "named.csv", "a,b\n1,2\n")).select(["a", "height"])
    with pytest.raises(TableError, match="the table has 3 columns without names; the model takes 2: a, b"):
        files.read(written(tmp_path / "rows.csv", "1,2,3\n")).select(["a", "b"])


def test_nan_is_an_empty_cell_and_one_column_of_npy_is_a_vector(tmp_path: Path) -> None:
    rows = np.array([[np.nan], [0.1]], np.float32)
    for name in ("out.csv", "out.npy"):
        with files.writer(tmp_path / name, ["log_prob"]) as out:
            out.write(rows)
    assert (tmp_path / "out.csv").read_text() == 'log_prob\n""\n0.1\n'
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), rows[:, 0])


@pytest.mark.parametrize("suffix", [".csv", ".npy"])
def test_a_table_without_rows_is_written_as_a_file_too(suffix: str, tmp_path: Path) -> None:
    with files.writer(tmp_path / f"out{suffix}", ["a", "b"]):
        pass
    assert files.read(tmp_path / f"out{suffix}").select(["a", "b"]).shape == (0, 2)


@pytest.mark.parametrize("suffix", [".csv", ".npy"])
def test_a_failure_leaves_the_earlier_file_unchanged(suffix: str, tmp_path: Path) -> None:
    path = written(tmp_path / f"out{suffix}", "before")

    def write_half() -> None:
        with files.writer(path, ["a", "b"]) as out:
            out.write(np.ones((1, 2)))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [(path.name, "before")]


@pytest.mark.parametrize("name", ["out.txt", "nowhere/out.csv", "file.csv/out.npy"])
def test_a_path_that_cannot_be_written_is_reported_before_the_first_row(name: str, tmp_path: Path) -> None:
    written(tmp_path / "file.csv", "1\n")
    with pytest.raises(TableError, match="written"), files.writer(tmp_path / name, ["a"]):
        raise AssertionError("reached the first row")


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_a_header_with_another_separator_is_an_error_that_asks_for_commas(separator: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"a{separator}b\n1{separator}2\n")
    with pytest.raises(TableError, match=r"missing: a, b; separate cells by commas$"):
        files.read(path).select(["a", "b"])
