"""A file of rows reads back as it was written; a file that is not a table is refused in one sentence."""

import gzip
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pyarrow import parquet

from diffeo.errors import TableError
from diffeo.tables import csv, files
from diffeo.tables.computed_names import computed_names
from diffeo.tables.reading.options import ReadOptions

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
    names = csv.read(path.read_bytes()).header.names if path.suffix == ".csv" else None
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
    "a cell without an end": ("rows.csv", "a,b\n" + "9" * 2_000_000 + ",1\n", "a line is longer than 1048576 bytes"),
    "a web page": ("rows.csv", "<html><table></table></html>", "rows.csv is a web page"),
    "a line 1 of names and numbers above text": ("rows.csv", "a,1\nx,2\n", "--header if line 1 names the columns"),
    "thousands or decimal commas": ("rows.csv", "a;b\n1,250;2,500\n", "--decimal"),
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


DIALECTS: dict[str, tuple[str, bytes]] = {
    "semicolons": ("rows.csv", b"a;b\n1.5;2\n"),
    "decimal commas": ("rows.csv", b"a;b\n1,5;2\n"),
    "tabs": ("rows.tsv", b"a\tb\n1.5\t2\n"),
    "bars": ("rows.txt", b"a|b\n1.5|2\n"),
    "UTF-16": ("rows.csv", "a,b\n1.5,2\n".encode("utf-16")),
    "Latin-1": ("rows.csv", b"a,b,\xe9\n1.5,2,3\n"),
    "gzip": ("rows.csv.gz", gzip.compress(b"a,b\n1.5,2\n")),
    "Parquet": (
        "rows.parquet",
        saved(pa.table({"b": [2], "a": [1.5]}), lambda to, table: parquet.write_table(table, to)),
    ),
    "npz": ("rows.npz", saved(np.array([[1.5, 2]]), np.savez)),
}


@pytest.mark.parametrize(("name", "content"), DIALECTS.values(), ids=DIALECTS.keys())
def test_a_file_of_every_dialect_and_format_gives_the_same_rows(name: str, content: bytes, tmp_path: Path) -> None:
    assert files.read(written(tmp_path / name, content)).select(["a", "b"]).tolist() == [[1.5, 2]]


def test_numbers_in_line_1_are_names_if_the_model_has_these_columns_or_if_it_is_said(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", "2019,2020\n1,2\n")
    assert files.read(path).select(["2020", "2019"]).tolist() == [[2, 1]]
    assert files.read(path).select(["a", "b"]).tolist() == [[2019, 2020], [1, 2]]
    assert files.read(path, ReadOptions(header=False)).select(["2020", "2019"]).tolist() == [[2019, 2020], [1, 2]]
    with pytest.raises(TableError, match="missing: a, b"):
        files.read(path, ReadOptions(header=True)).select(["a", "b"])


def test_a_name_that_looks_like_a_number_is_written_so_that_it_is_read_as_a_name(tmp_path: Path) -> None:
    names = ("2019", "nan", 'the "b"', "a,b")
    with files.writer(tmp_path / "rows.csv", names) as out:
        out.write(np.array([[1.0, 2, 3, 4]]))
    assert csv.read((tmp_path / "rows.csv").read_bytes()).header.names == names


def test_computed_columns_beside_a_model_with_their_names_are_read_back(tmp_path: Path) -> None:
    columns = ("log_prob", "z0", "height")
    computed = computed_names(columns)
    assert (computed.z, computed.log_prob) == (("z0_1", "z1", "z2"), ("log_prob_1",))
    with files.writer(tmp_path / "rows.csv", [*computed.log_prob, *computed.z, *columns]) as out:
        out.write(np.array([[9.0, 7, 7, 7, 1, 2, 3]]))
    assert files.read(tmp_path / "rows.csv").select(columns).tolist() == [[1, 2, 3]]
    assert files.read(tmp_path / "rows.csv").select(computed.z).tolist() == [[7, 7, 7]]
