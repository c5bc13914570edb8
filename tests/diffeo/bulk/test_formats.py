"""The row ranges of a file have all of its rows in order, for any block size; a wrong row is refused or null."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import ipc

from diffeo.bulk.columns import rows
from diffeo.bulk.formats import FORMATS
from diffeo.bulk.location import locate
from diffeo.errors import TableError, WrongTable
from diffeo.tables import csv
from diffeo.tables.csv_numbers import Wrong
from tests.given import job_files

SUFFIXES = [".parquet", ".arrow", ".arrows", ".csv", ".npy"]
ROWS = 2345
TABLE = job_files.table(job_files.rows(ROWS))


def read(path: Path, block_rows: int, wrong: Wrong = "refuse") -> list[pa.Table]:
    """The rows of each row range."""
    file_format, location = FORMATS[path.suffix], locate(str(path))
    layout = replace(file_format.layout(location, block_rows), wrong=wrong)
    assert [row_range.first for row_range in layout.row_ranges] == [
        sum(before.rows for before in layout.row_ranges[:n]) for n in range(len(layout.row_ranges))
    ]
    found = []
    for row_range in layout.row_ranges:
        batches = list(file_format.read(location, layout, row_range, layout.schema.names))
        found.append(pa.Table.from_batches(batches, layout.schema))
        assert found[-1].num_rows == row_range.rows
    return found


@pytest.mark.parametrize("block_rows", [100, 999, 1000, 2000, 10_000])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_row_ranges_of_a_file_have_all_of_its_rows_in_order(suffix: str, block_rows: int, tmp_path: Path) -> None:
    tables = read(job_files.save(tmp_path / f"rows{suffix}", TABLE), block_rows)
    assert max(each.num_rows for each in tables) <= block_rows
    whole = pa.concat_tables(tables)
    for position, name in enumerate(whole.schema.names):
        assert whole[name].cast(pa.float32()).equals(TABLE.column(position))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_without_rows_has_no_row_ranges(suffix: str, tmp_path: Path) -> None:
    assert read(job_files.save(tmp_path / f"rows{suffix}", TABLE.slice(0, 0)), 100) == []


CSV = b'a,b\n1,2\n3\n\n"4\n,""x""",5\r\n\r\n6,7,8\n9,\n10,11'
CELLS = [("1", "2"), (None, None), ('4\n,"x"', "5"), (None, None), ("9", None), ("10", "11")]


@pytest.mark.parametrize("block_rows", range(1, 8))
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_record_of_csv_may_have_several_lines(mark: bytes, end: bytes, block_rows: int, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(mark + CSV + end)
    tables = read(tmp_path / "rows.csv", block_rows, "null")
    cells = [(row["a"], row["b"]) for each in tables for row in each.to_pylist()]
    assert cells == CELLS
    assert len(tables) == -(-len(CELLS) // block_rows)


def test_a_csv_whose_first_line_is_numbers_has_no_header(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b"1,2\n3,4\n")
    assert [row for each in read(tmp_path / "rows.csv", 1) for row in each.to_pylist()] == [
        {"0": "1", "1": "2"},
        {"0": "3", "1": "4"},
    ]


def test_a_record_of_csv_that_is_read_in_several_segments_is_one_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = None
    for size in (1, 2, 3, 5, 4096):
        monkeypatch.setattr("diffeo.bulk.formats.csv.SCAN_BYTES", size)
        (tmp_path / "rows.csv").write_bytes(CSV)
        layout = FORMATS[".csv"].layout(locate(str(tmp_path / "rows.csv")), 2)
        expected = expected or layout.row_ranges
        assert layout.row_ranges == expected


WORDS = [
    "1",
    "2.5",
    " ",
    ",",
    ",",
    "\n",
    "\n",
    "\r",
    "\r\n",
    '""',
    '" "',
    '"3"',
    '"a,\nb"',
    "x",
    "NA",
    "é",
    '"',
    "1,2\n",
]


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.lists(st.sampled_from(WORDS), max_size=14),
    block_rows=st.integers(1, 3),
    size=st.sampled_from([1, 3, 2**22]),
)
def test_a_job_reads_the_same_numbers_from_csv_as_other_readers(
    words: list[str], block_rows: int, size: int, tmp_path: Path
) -> None:
    content = b"a,b\n" + "".join(words).encode()
    (tmp_path / "rows.csv").write_bytes(content)
    try:
        expected: object = csv.read(content).rows().tolist()
    except WrongTable:
        expected = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("diffeo.bulk.formats.csv.SCAN_BYTES", size)
        patch.setattr("diffeo.bulk.formats.csv.SEGMENT_BYTES", size)
        try:
            tables = read(tmp_path / "rows.csv", block_rows)
            batches = [batch for each in tables for batch in each.to_batches()]
            found: object = [row for batch in batches for row in rows(batch, ("a", "b"), "refuse", 0).tolist()]
        except WrongTable:
            found = None
    np.testing.assert_equal(found, expected)


def damaged() -> dict[str, tuple[str, bytes]]:
    """The suffix and the content of damaged files, by what is wrong with them."""
    return {
        "no Parquet": (".parquet", b"PAR1 and no more"),
        "no Arrow": (".arrow", b"nothing"),
        "half an Arrow file": (".arrow", b"ARROW1\0\0"),
        "no npy": (".npy", b"nothing"),
        "objects": (".npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': '|O'}\n"),
        "an empty csv": (".csv", b""),
        "a csv of bytes": (".csv", b"\x00\x01\x02,1\n"),
    }


@pytest.mark.parametrize(("suffix", "content"), damaged().values(), ids=damaged().keys())
def test_a_damaged_file_is_a_value_error(suffix: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / f"rows{suffix}").write_bytes(content)
    with pytest.raises((ValueError, OSError, TableError)):
        read(tmp_path / f"rows{suffix}", 100)


def test_a_stream_with_a_dictionary_cannot_be_read_from_the_middle(tmp_path: Path) -> None:
    table = pa.table({"weight": pa.array(["a", "b"]).dictionary_encode()})
    with ipc.new_stream(tmp_path / "rows.arrows", table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(ValueError, match="write it as an Arrow file"):
        read(tmp_path / "rows.arrows", 100)
