"""A file of rows reads back as it was written; what is no table is refused in a sentence."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from diffeo.errors import TableError
from diffeo.tables import files

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
    read = files.read(path)
    assert read.rows.astype(np.float32).tobytes() == rows.tobytes()
    assert read.columns == (("a", "b") if suffix == ".csv" else None)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    path.unlink()


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


CSV: dict[str, tuple[str | bytes, tuple[str, ...] | None, list[list[float]]]] = {
    "a header": ("a,b\n1,2\n", ("a", "b"), [[1, 2]]),
    "no header": ("1,2\n3,4\n", None, [[1, 2], [3, 4]]),
    "a byte order mark": ("\ufeffa,b\n1,2\n", ("a", "b"), [[1, 2]]),
    "carriage returns": ("a,b\r\n1,2\r\n", ("a", "b"), [[1, 2]]),
    "quotes and spaces": ('"a"," b"\n" 1", 2\n', ("a", "b"), [[1, 2]]),
    "blank lines": ("a,b\n\n1,2\n\n", ("a", "b"), [[1, 2]]),
    "missing and other cells": ("a,b\n,2\nx,1_0\n", ("a", "b"), [[np.nan, 2], [np.nan, np.nan]]),
    "names of other scripts and digits of none": ("é,b\n\u0661,2\n", ("é", "b"), [[np.nan, 2]]),
    "nan, inf and exponents": ("nan,-inf\n1e3,+.5\n", None, [[np.nan, -np.inf], [1000, 0.5]]),
    "a header alone": ("a,b\n", ("a", "b"), []),
}


@pytest.mark.parametrize(("text", "columns", "rows"), CSV.values(), ids=CSV.keys())
def test_csv_is_numbers_with_or_without_names(
    text: str | bytes, columns: tuple[str, ...] | None, rows: list[list[float]], tmp_path: Path
) -> None:
    read = files.read(written(tmp_path / "rows.csv", text))
    assert read.columns == columns
    np.testing.assert_array_equal(read.rows, np.array(rows).reshape(-1, 2))


def saved(value: object, save: Callable[..., None] = np.save) -> bytes:
    buffer = io.BytesIO()
    save(buffer, value)
    return buffer.getvalue()


HUGE = b"(4611686018427387904, 2), }"

BAD: dict[str, tuple[str, str | bytes, str]] = {
    "an empty file": ("rows.csv", "", "holds no rows"),
    "a ragged row": ("rows.csv", "a,b\n1,2\n3\n", "row 2 of rows.csv has 1 cells; the first line has 2"),
    "Latin-1": ("rows.csv", b"a,\xe9\n1,2\n", "utf-8"),
    "a cell without an end": ("rows.csv", "a,b\n" + "9" * 200_000 + ",1\n", "field"),
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
def test_what_is_no_table_is_refused(name: str, content: str | bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(TableError, match=words):
        files.read(written(tmp_path / name, content))


def test_a_file_that_cannot_be_opened_is_told_apart_from_one_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"no file .*absent.csv"):
        files.read(tmp_path / "absent.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(TableError, match=r"folder.csv cannot be read: Is a directory"):
        files.read(tmp_path / "folder.csv")


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float16, np.float64, ">f8"])
def test_npy_of_any_numbers_is_a_table(dtype: object, tmp_path: Path) -> None:
    rows = np.arange(6).reshape(3, 2).astype(dtype)
    read = files.read(written(tmp_path / "rows.npy", saved(np.asfortranarray(rows))))
    np.testing.assert_array_equal(read.rows, rows)
    assert read.rows.dtype == np.float64
    assert files.read(written(tmp_path / "rows.npy", saved(rows.astype(np.float32)))).rows.dtype == np.float32


NAMED = files.Table(np.array([[1.0, 2.0, 3.0]]), ("a", "b", "c"))


def test_columns_are_taken_by_name_where_the_file_has_them_and_as_they_stand_where_not() -> None:
    assert NAMED.select(["c", "a"]).tolist() == [[3, 1]]
    assert NAMED.select(["x", "y", "z"]).tolist() == [[1, 2, 3]]
    assert files.Table(NAMED.rows, None).select(["x", "y", "z"]).tolist() == [[1, 2, 3]]


def test_a_file_of_other_columns_is_refused() -> None:
    with pytest.raises(TableError, match="lacks the column 'height'; the model takes a, height"):
        NAMED.select(["a", "height"])
    with pytest.raises(TableError, match="has 3 columns; the model takes a, b"):
        files.Table(NAMED.rows, None).select(["a", "b"])


def test_nan_is_an_empty_cell_and_one_column_of_npy_is_a_vector(tmp_path: Path) -> None:
    rows = np.array([[np.nan], [0.1]], np.float32)
    for name in ("out.csv", "out.npy"):
        with files.writer(tmp_path / name, ["log_prob"]) as out:
            out.write(rows)
    assert (tmp_path / "out.csv").read_text() == 'log_prob\n""\n0.1\n'
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), rows[:, 0])


@pytest.mark.parametrize("suffix", [".csv", ".npy"])
def test_no_rows_are_a_file_too(suffix: str, tmp_path: Path) -> None:
    with files.writer(tmp_path / f"out{suffix}", ["a", "b"]):
        pass
    assert files.read(tmp_path / f"out{suffix}").rows.shape == (0, 2)


@pytest.mark.parametrize("suffix", [".csv", ".npy"])
def test_a_failure_leaves_the_file_that_was_there(suffix: str, tmp_path: Path) -> None:
    path = written(tmp_path / f"out{suffix}", "before")

    def write_half() -> None:
        with files.writer(path, ["a", "b"]) as out:
            out.write(np.ones((1, 2)))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [(path.name, "before")]


@pytest.mark.parametrize("name", ["out.txt", "nowhere/out.csv", "file.csv/out.npy"])
def test_a_place_that_cannot_be_written_is_known_before_any_row_is(name: str, tmp_path: Path) -> None:
    written(tmp_path / "file.csv", "1\n")
    with pytest.raises(TableError, match="written"), files.writer(tmp_path / name, ["a"]):
        raise AssertionError("reached the first row")
