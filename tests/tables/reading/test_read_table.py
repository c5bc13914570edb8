"""Several files, standard input, DataFrames and samples become one table that knows where each row came from."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffeo.errors import TableError
from diffeo.tables.reading.options import ReadOptions, parse_decimal, parse_delimiter, parse_encoding
from diffeo.tables.reading.read import read_table
from diffeo.tables.reading.row_sample import RowStore
from diffeo.tables.reading.source_table import SourceColumn, SourceTable

ROWS = np.round(np.random.default_rng(0).normal(size=(30, 2)), 3)


def csv_text(rows: np.ndarray, names: str = "a,b") -> str:
    return "\n".join([names, *(",".join(map(str, row)) for row in rows.tolist())]) + "\n"


def numbers(table: SourceTable) -> np.ndarray:
    return np.stack([cells(column) for column in table.columns], axis=1)


def cells(column: SourceColumn) -> np.ndarray:
    """The numbers of a column that holds numbers."""
    assert column.values is not None  # noqa: PD011  (no DataFrame of pandas)
    return column.values  # noqa: PD011  (as above)


def test_several_files_are_one_table_whatever_the_order_of_their_columns(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text(csv_text(ROWS[:10]))
    (tmp_path / "2.csv").write_text(csv_text(ROWS[10:20, ::-1], "b;a").replace(",", ";"))
    np.save(tmp_path / "3.npy", np.array([tuple(row) for row in ROWS[20:]], [("a", "f8"), ("b", "f8")]))
    table = read_table([tmp_path / "1.csv", tmp_path / "2.csv", tmp_path / "3.npy"])
    np.testing.assert_array_equal(numbers(table), ROWS)
    assert table.sources == ("1.csv", "2.csv", "3.npy")
    assert [table.where(row) for row in (0, 9, 10, 25)] == [
        "line 2 of 1.csv",
        "line 11 of 1.csv",
        "line 2 of 2.csv",
        "row 6 of 3.npy",
    ]


def test_a_pattern_and_a_folder_stand_for_their_files_in_order(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"part-{number}.csv").write_text(csv_text(ROWS[10 * number : 10 * number + 10]))
    (tmp_path / "notes.md").write_text("notes")
    for named in (str(tmp_path / "part-*.csv"), tmp_path, [tmp_path / "part-0.csv", str(tmp_path / "part-[0-2].csv")]):
        np.testing.assert_array_equal(numbers(read_table(named)), ROWS)


def test_files_with_other_columns_are_one_error_that_names_them_all(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text(csv_text(ROWS))
    (tmp_path / "2.csv").write_text(csv_text(ROWS, "a,c"))
    (tmp_path / "3.csv").write_text("a\n1\n2\n")
    with pytest.raises(TableError) as caught:
        read_table(tmp_path)
    assert "1.csv has a, b; 2.csv lacks b and has also c; 3.csv lacks b" in str(caught.value)


@pytest.mark.parametrize("name", ["absent.csv", "absent-*.csv"])
def test_a_path_without_a_file_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"no file .*absent"):
        read_table(tmp_path / name)


def test_a_file_whose_name_looks_like_a_pattern_is_read(tmp_path: Path) -> None:
    (tmp_path / "rows[1].csv").write_text(csv_text(ROWS))
    assert read_table(str(tmp_path / "rows[1].csv")).rows == len(ROWS)


def test_a_dash_is_standard_input_in_any_format(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BytesIO()
    np.save(stream, ROWS)
    for content in (csv_text(ROWS).encode("utf-16"), stream.getvalue()):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        table = read_table("-")
        np.testing.assert_array_equal(numbers(table), ROWS)
    assert table.where(0) == "row 1 of standard input"


def test_the_digest_is_that_of_the_bytes_of_the_file(tmp_path: Path) -> None:
    content = csv_text(ROWS).encode("utf-16")
    (tmp_path / "rows.csv").write_bytes(content)
    assert read_table(tmp_path / "rows.csv").sha256 == hashlib.sha256(content).hexdigest()
    assert read_table(ROWS).sha256 == read_table(ROWS.copy()).sha256 != read_table(ROWS + 1).sha256


def test_a_row_after_a_cell_with_line_ends_is_found_on_its_line(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text('a,note\n1,x\n2,"two\nlines"\n3,y\n4,z\n')
    table = read_table(tmp_path / "rows.csv")
    assert [table.where(row) for row in range(4)] == [f"line {line} of rows.csv" for line in (2, 3, 5, 6)]


PANDAS = pd.DataFrame(
    {"a": ROWS[:, 0], "b": pd.array([1, None] * 15, "Int64"), "ok": [True, False] * 15, "who": ["x", "y"] * 15}
)
POLARS = pl.DataFrame({"a": ROWS[:, 0], "b": [1, None] * 15, "ok": [True, False] * 15, "who": ["x", "y"] * 15})


@pytest.mark.parametrize(
    "frame", [PANDAS, POLARS, PANDAS.set_index("who", append=True).reset_index(level=1)[PANDAS.columns]]
)
def test_a_frame_is_a_table_of_its_columns(frame: object) -> None:
    table = read_table(frame)
    assert [(column.name, column.holds, column.missing) for column in table.columns] == [
        ("a", "numbers", 0), ("b", "numbers", 15), ("ok", "truth values", 0), ("who", "text", 0),
    ]  # fmt: skip
    assert cells(table.columns[2])[:2].tolist() == [1, 0]
    assert table.names_from == "schema"


def test_a_frame_with_the_labels_that_pandas_gives_has_no_names() -> None:
    assert read_table(pd.DataFrame(ROWS)).names == ("x0", "x1")


def test_columns_of_objects_are_read_value_by_value() -> None:
    table = read_table(pd.DataFrame({"a": np.array([1, None, "tall", 2.5], dtype=object)}))
    column = table.columns[0]
    assert (column.holds, column.missing, column.wrong_count, column.wrong[0].text) == ("numbers", 1, 1, "'tall'")
    np.testing.assert_array_equal(cells(column), [1, np.nan, np.nan, 2.5])


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(0, 50), min_size=1, max_size=8), max_rows=st.integers(1, 60))
def test_a_sample_of_rows_does_not_depend_on_the_blocks(sizes: list[int], max_rows: int) -> None:
    rows = np.arange(sum(sizes), dtype=float)

    def sample(ends: list[int]) -> tuple[list[float], list[int] | None]:
        store = RowStore(max_rows, seed=3)
        for begin, end in zip([0, *ends], [*ends, len(rows)], strict=True):
            store.add([rows[begin:end]], end - begin)
        (values,), kept = store.columns(1)
        return [] if values is None else values.tolist(), None if kept is None else kept.tolist()

    whole = sample([])
    assert sample(np.cumsum(sizes)[:-1].tolist()) == whole
    assert len(whole[0]) == min(max_rows, len(rows))
    assert whole[1] is None or whole[0] == whole[1]


def test_a_sample_is_said_and_its_rows_keep_their_lines(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(csv_text(ROWS))
    table = read_table(tmp_path / "rows.csv", ReadOptions(max_rows=10))
    assert (table.rows, table.rows_read) == (10, 30)
    assert "10 of 30 rows are used" in table.notes[0]
    assert table.row_numbers is not None
    np.testing.assert_array_equal(numbers(table), ROWS[table.row_numbers])
    assert table.where(0) == f"line {table.row_numbers[0] + 2} of rows.csv"
    other = read_table(tmp_path / "rows.csv", ReadOptions(max_rows=10, seed=1))
    assert other.row_numbers is not None
    assert other.row_numbers.tolist() != table.row_numbers.tolist()


def test_a_word_far_into_a_large_file_is_found_on_its_line(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n" + "0.5,1.25\n" * 700_000 + "1,oops\n" + "0.5,1.25\n" * 10)
    table = read_table(tmp_path / "rows.csv")
    column = table.columns[1]
    assert (table.rows, column.wrong_count, table.place(column.wrong[0].row)) == (700_011, 1, "line 700002 of rows.csv")


def test_a_column_of_text_in_a_large_file_is_text_and_the_others_are_numbers(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n" + "0.5,red\n1.5,blue\n" * 400_000)
    table = read_table(tmp_path / "rows.csv")
    assert [(column.name, column.holds) for column in table.columns] == [("a", "numbers"), ("b", "text")]
    assert cells(table.columns[0]).sum() == 800_000


@pytest.mark.parametrize(
    ("parse", "text"),
    [(parse_delimiter, "::"), (parse_decimal, "x"), (parse_encoding, "utf-9"), (parse_encoding, "zlib")],
)
def test_an_option_that_is_not_known_is_refused(parse: object, text: str) -> None:
    assert callable(parse)
    with pytest.raises(TableError, match=r"--\w+ is"):
        parse(text)
