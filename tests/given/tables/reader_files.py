"""Files as people have them, made by a script, each with its verdict, its columns and words of its report."""

import gzip
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pyarrow import ipc, parquet

Verdict = Literal["fits", "asks", "refused"]

ROWS: Final = 600
NORMAL: Final = np.round(np.random.default_rng(0).normal(size=(ROWS, 3)), 4)
TALL: Final = np.column_stack([np.round(70 + 5 * NORMAL[:, 0], 1), np.round(1.7 + 0.07 * NORMAL[:, 1], 3)])


@dataclass(frozen=True, slots=True)
class ReaderFile:
    """One file, and what a report says about it.

    Attributes:
        name: its file name.
        content: its bytes.
        verdict: "fits", "asks" (faults with options) or "refused" (an error).
        words: words of the text that a person sees.
        columns: the columns that are fitted; empty: not checked.
        options: options of the reader.
        choices: options of the inspection.
        rows: number of rows that are kept; 0: not checked.
    """

    name: str
    content: bytes
    verdict: Verdict
    words: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, Any] = field(default_factory=dict)
    rows: int = 0


def text(
    rows: npt.ArrayLike = NORMAL[:, :2],
    names: str | None = "a,b",
    delimiter: str = ",",
    form: str = "%.4f",
    decimal: str = ".",
) -> str:
    """A text with one row a line."""
    lines = [] if names is None else [names]
    lines += [
        delimiter.join(("" if np.isnan(value) else form % value).replace(".", decimal) for value in row)
        for row in np.asarray(rows)
    ]
    return "\n".join(lines) + "\n"


def with_cells(*cells: tuple[int, int, str], names: str = "a,b", rows: npt.ArrayLike = NORMAL[:, :2]) -> bytes:
    """A text in which the cells (line, column, cell) are replaced; lines count from 1, columns from 0."""
    lines = text(rows, names).splitlines()
    for line, column, cell in cells:
        row = lines[line - 1].split(",")
        row[column] = cell
        lines[line - 1] = ",".join(row)
    return ("\n".join(lines) + "\n").encode()


def with_column(first: list[str], name: str) -> bytes:
    """A text with a column of these cells before two of numbers."""
    lines = text(NORMAL[: len(first), :2]).splitlines()
    return (
        "\n".join([f"{name},{lines[0]}", *(f"{cell},{line}" for cell, line in zip(first, lines[1:], strict=True))])
        + "\n"
    ).encode()


def columns(**vectors: npt.ArrayLike) -> bytes:
    """A text of these columns, each number as Python writes it."""
    names = ",".join(vectors)
    rows = zip(*(np.asarray(vector).tolist() for vector in vectors.values()), strict=True)
    return ("\n".join([names, *(",".join(repr(value) for value in row) for row in rows)]) + "\n").encode()


def saved(write: Callable[[io.BytesIO], object]) -> bytes:
    """The bytes that a function writes."""
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


def npy(array: npt.NDArray[Any]) -> bytes:
    return saved(lambda stream: np.save(stream, array))


def npz(**arrays: npt.NDArray[Any]) -> bytes:
    return saved(lambda stream: np.savez(stream, allow_pickle=False, **arrays))


def parquet_bytes(frame: pd.DataFrame) -> bytes:
    return saved(frame.to_parquet)


def arrow_bytes(table: pa.Table, *, stream: bool = False) -> bytes:
    def write(file: io.BytesIO) -> None:
        with (ipc.new_stream if stream else ipc.new_file)(file, table.schema) as writer:
            writer.write_table(table)

    return saved(write)


def zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, codec="zstd", asbytes=True))


def excel() -> bytes:
    import zipfile  # noqa: PLC0415  (used here alone)

    def write(stream: io.BytesIO) -> None:
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("[Content_Types].xml", "<Types/>")
            archive.writestr("xl/workbook.xml", "<workbook/>")

    return saved(write)


FRAME: Final = pd.DataFrame(NORMAL[:, :2], columns=["a", "b"])
TABLE: Final = pa.table({"a": NORMAL[:, 0], "b": NORMAL[:, 1]})
PLAIN: Final = text().encode()
AB: Final = ("a", "b")

TEXTS: Final = {
    "a plain csv": ReaderFile("rows.csv", PLAIN, "fits", ("600 rows", "named by line 1"), AB),
    "a byte order mark": ReaderFile("rows.csv", b"\xef\xbb\xbf" + PLAIN, "fits", (), AB),
    "windows line ends": ReaderFile("rows.csv", PLAIN.replace(b"\n", b"\r\n"), "fits", (), AB),
    "old mac line ends": ReaderFile("rows.csv", PLAIN.replace(b"\n", b"\r"), "fits", (), AB),
    "no line end at the end": ReaderFile("rows.csv", PLAIN.rstrip(), "fits", (), AB),
    "blank lines at the end": ReaderFile("rows.csv", PLAIN + b"\n \n\n", "fits", (), AB),
    "quoted cells": ReaderFile(
        "rows.csv",
        "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in text().splitlines()).encode(),
        "fits",
        (),
        AB,
    ),
    "spaces around cells": ReaderFile("rows.csv", PLAIN.replace(b",", b" , "), "fits", (), AB),
    "semicolons": ReaderFile(
        "rows.csv", text(names="a;b", delimiter=";").encode(), "fits", ("separated by semicolons",), AB
    ),
    "semicolons and decimal commas": ReaderFile(
        "rows.csv",
        text(names="a;b", delimiter=";", decimal=",").encode(),
        "fits",
        ("semicolons and decimals by commas",),
        AB,
    ),
    "semicolons, decimal commas and windows line ends": ReaderFile(
        "rows.csv",
        text(names="a;b", delimiter=";", decimal=",").replace("\n", "\r\n").encode(),
        "fits",
        ("decimals by commas",),
        AB,
    ),
    "semicolons and a name with a comma": ReaderFile(
        "rows.csv", text(names="mass, kg;b", delimiter=";", decimal=",").encode(), "fits", (), ("mass, kg", "b")
    ),
    "tabs": ReaderFile("rows.tsv", text(names="a\tb", delimiter="\t").encode(), "fits", ("separated by tabs",), AB),
    "tabs in a csv": ReaderFile(
        "rows.csv", text(names="a\tb", delimiter="\t").encode(), "fits", ("separated by tabs",), AB
    ),
    "tabs and decimal commas": ReaderFile(
        "rows.txt", text(names="a\tb", delimiter="\t", decimal=",").encode(), "fits", ("decimals by commas",), AB
    ),
    "bars": ReaderFile("rows.txt", text(names="a|b", delimiter="|").encode(), "fits", ("separated by bars",), AB),
    "commas and quoted decimal commas": ReaderFile(
        "rows.csv",
        (
            "a,b\n"
            + "\n".join(f'"{x:.2f}","{y:.2f}"'.replace(".", ",").replace('",,"', '","') for x, y in NORMAL[:, :2])
        ).encode(),
        "fits",
        ("decimals by commas",),
        AB,
    ),
    "a name for the suffix that nobody knows": ReaderFile("rows.dat", PLAIN, "fits", (), AB),
    "names of other scripts": ReaderFile("rows.csv", text(names="größe,高さ").encode(), "fits", (), ("größe", "高さ")),
    "UTF-16 with a mark": ReaderFile("rows.csv", text().encode("utf-16"), "fits", ("is read as UTF-16",), AB),
    "UTF-16, big end first": ReaderFile(
        "rows.csv", b"\xfe\xff" + text().encode("utf-16-be"), "fits", ("is read as UTF-16",), AB
    ),
    "UTF-16 without a mark": ReaderFile("rows.csv", text().encode("utf-16-le"), "fits", ("is read as UTF-16",), AB),
    "UTF-16 with tabs, as Excel writes it": ReaderFile(
        "rows.txt", text(names="a\tb", delimiter="\t").encode("utf-16"), "fits", ("UTF-16", "tabs"), AB
    ),
    "Latin-1": ReaderFile(
        "rows.csv", text(names="temp_°C,b").encode("latin-1"), "fits", ("is read as Latin-1",), ("temp_°C", "b")
    ),
    "Windows-1252": ReaderFile(
        "rows.csv", text(names="price_€,b").encode("cp1252"), "fits", ("is read as Windows-1252",), ("price_€", "b")
    ),
    "Latin-1 far behind the first lines": ReaderFile(
        "rows.csv",
        with_column(["x"] * (ROWS - 1) + ["é"], "c").decode().encode("latin-1"),
        "fits",
        ("is read as Latin-1", "'c' holds text"),
        AB,
    ),
    "an encoding that is given": ReaderFile(
        "rows.csv", text(names="größe,b").encode("cp437"), "fits", (), ("größe", "b"), {"encoding": "cp437"}
    ),
    "gzip": ReaderFile("rows.csv.gz", gzip.compress(PLAIN), "fits", (), AB),
    "zstd": ReaderFile("rows.csv.zst", zstd(PLAIN), "fits", (), AB),
    "gzip of semicolons in Latin-1": ReaderFile(
        "rows.csv.gz",
        gzip.compress(text(names="µ;b", delimiter=";", decimal=",").encode("latin-1")),
        "fits",
        ("Latin-1", "semicolons"),
        ("µ", "b"),
    ),
    "gzip of tabs": ReaderFile(
        "rows.tsv.gz", gzip.compress(text(names="a\tb", delimiter="\t").encode()), "fits", ("tabs",), AB
    ),
    "gzip of npy": ReaderFile("rows.npy.gz", gzip.compress(npy(NORMAL)), "fits", (), ("x0", "x1", "x2")),
    "no header": ReaderFile(
        "rows.csv", text(names=None).encode(), "fits", ("line 1 of rows.csv is read as data",), ("x0", "x1"), rows=ROWS
    ),
    "whole numbers without a header": ReaderFile(
        "rows.csv",
        text(np.random.default_rng(1).integers(1, 7, (200, 3)), None, form="%.0f").encode(),
        "fits",
        ("read as data",),
        ("x0", "x1", "x2"),
    ),
    "years as names": ReaderFile(
        "rows.csv",
        text(100 + 3 * NORMAL[:, :2], "2019,2020").encode(),
        "asks",
        ("--header", "--no-header", "2019, 2020"),
    ),
    "years as names, which is said": ReaderFile(
        "rows.csv",
        text(100 + 3 * NORMAL[:, :2], "2019,2020").encode(),
        "fits",
        (),
        ("2019", "2020"),
        {"header": True},
        rows=ROWS,
    ),
    "years as data, which is said": ReaderFile(
        "rows.csv",
        text(2019 + 3 * NORMAL[:, :2], "2019,2020").encode(),
        "fits",
        (),
        ("x0", "x1"),
        {"header": False},
        rows=ROWS + 1,
    ),
    "the names that pandas gives": ReaderFile(
        "rows.csv", text(names="0,1").encode(), "asks", ("--header", "counts the columns")
    ),
    "quoted years": ReaderFile(
        "rows.csv", text(100 + NORMAL[:, :2], '"2019","2020"').encode(), "fits", (), ("2019", "2020")
    ),
    "a year among names": ReaderFile(
        "rows.csv", text(names="a,2020").encode(), "fits", ("one of them 2020",), ("a", "2020")
    ),
    "text and a number in line 1, and below": ReaderFile(
        "rows.csv",
        with_column(["x", "y"] * 300, "x").replace(b"x,a,b\n", b"x,1.5,2.5\n"),
        "asks",
        ("--header", "text and numbers"),
    ),
    "one column": ReaderFile("rows.csv", text(NORMAL[:, :1], "a").encode(), "fits", ("1 column ",), ("a",)),
    "an empty name at the end": ReaderFile(
        "rows.csv",
        text(names="a,b,").replace("\n", ",\n").replace("a,b,,", "a,b,").encode(),
        "fits",
        ("column 3", "no value"),
        AB,
    ),
    "a name twice": ReaderFile(
        "rows.csv", text(NORMAL, "a,b,a").encode(), "asks", ("two columns 'a', 1 and 3", "--drop 'a (column 3)'")
    ),
}

ARRAYS: Final = {
    "npy": ReaderFile("rows.npy", npy(NORMAL), "fits", ("without names",), ("x0", "x1", "x2")),
    "npy of float32, column after column": ReaderFile(
        "rows.npy", npy(np.asfortranarray(NORMAL.astype(np.float32))), "fits", (), ("x0", "x1", "x2")
    ),
    "npy of records": ReaderFile(
        "rows.npy",
        npy(np.array([(x, y) for x, y in NORMAL[:, :2]], [("mass", "f8"), ("radius", "f4")])),
        "fits",
        ("named by the file",),
        ("mass", "radius"),
    ),
    "npy of one axis": ReaderFile("rows.npy", npy(NORMAL[:, 0]), "fits", (), ("x0",)),
    "npy of three axes": ReaderFile(
        "rows.npy", npy(NORMAL.reshape(ROWS, 3, 1)), "refused", ("(600, 3, 1)", "two axes")
    ),
    "npy of text": ReaderFile(
        "rows.npy", npy(np.array([["a", "b"]] * ROWS)), "asks", ("no column of numbers", "--columns")
    ),
    "npy of truth values": ReaderFile(
        "rows.npy", npy(NORMAL > 0), "fits", ("truth values", "integer 0:1"), ("x0", "x1", "x2")
    ),
    "npy of dates": ReaderFile(
        "rows.npy", npy(np.arange(ROWS).astype("M8[D]").reshape(-1, 1)), "asks", ("holds dates",)
    ),
    "npz of one array": ReaderFile("rows.npz", npz(rows=NORMAL), "fits", (), ("x0", "x1", "x2")),
    "npz of vectors": ReaderFile("rows.npz", npz(a=NORMAL[:, 0], b=NORMAL[:, 1]), "fits", (), AB),
    "npz of several tables": ReaderFile(
        "rows.npz", npz(train=NORMAL, labels=NORMAL[:, 0]), "refused", ("train [600, 3]", "labels [600]")
    ),
    "a pickle in npy": ReaderFile("rows.npy", npy(np.array([[1, None]], dtype=object)), "refused", ("cannot be read",)),
    "a cut npy": ReaderFile("rows.npy", npy(NORMAL)[:-9], "refused", ("cannot be read",)),
    "parquet": ReaderFile("rows.parquet", parquet_bytes(FRAME), "fits", ("named by the file",), AB),
    "parquet with an index of pandas": ReaderFile(
        "rows.parquet",
        parquet_bytes(FRAME.set_index(pd.Index(np.arange(ROWS) ** 2, name="key"))),
        "fits",
        ("'key'", "index"),
        AB,
    ),
    "parquet with an index without a name": ReaderFile(
        "rows.parquet",
        parquet_bytes(FRAME.set_index(pd.Index(NORMAL[:, 2]))),
        "fits",
        ("__index_level_0__", "index"),
        AB,
    ),
    "parquet with dates and text": ReaderFile(
        "rows.parquet",
        parquet_bytes(FRAME.assign(day=pd.date_range("2024-01-01", periods=ROWS), kind="x")),
        "fits",
        ("'day' holds dates", "'kind' holds text"),
        AB,
    ),
    "parquet with truth values": ReaderFile(
        "rows.parquet",
        parquet_bytes(FRAME.assign(flag=NORMAL[:, 2] > 0)),
        "fits",
        ("truth values of 'flag'",),
        ("a", "b", "flag"),
    ),
    "parquet with whole numbers and nulls": ReaderFile(
        "rows.parquet",
        parquet_bytes(pd.DataFrame({"a": NORMAL[:, 0], "n": pd.array([None, *[1, 2, 3] * 200][:ROWS], dtype="Int64")})),
        "asks",
        ("'n' in 1", "--missing drop"),
    ),
    "parquet with decimals": ReaderFile(
        "rows.parquet",
        saved(
            lambda stream: parquet.write_table(
                pa.table({"a": pa.array(NORMAL[:, 0]).cast(pa.decimal128(9, 4)), "b": NORMAL[:, 1]}), stream
            )
        ),
        "fits",
        (),
        AB,
    ),
    "parquet with categories": ReaderFile(
        "rows.parquet",
        parquet_bytes(FRAME.assign(kind=pd.Categorical(["x", "y"] * 300))),
        "fits",
        ("'kind' holds text",),
        AB,
    ),
    "parquet with lists": ReaderFile(
        "rows.parquet",
        saved(lambda stream: parquet.write_table(TABLE.append_column("list", pa.array([[1.0]] * ROWS)), stream)),
        "fits",
        ("'list' holds other values",),
        AB,
    ),
    "a cut parquet": ReaderFile("rows.parquet", parquet_bytes(FRAME)[:-20], "refused", ("is damaged",)),
    "arrow": ReaderFile("rows.arrow", arrow_bytes(TABLE), "fits", (), AB),
    "feather": ReaderFile("rows.feather", arrow_bytes(TABLE), "fits", (), AB),
    "an arrow stream": ReaderFile("rows.arrows", arrow_bytes(TABLE, stream=True), "fits", (), AB),
    "ipc": ReaderFile("rows.ipc", arrow_bytes(TABLE), "fits", (), AB),
}

OTHER_CONTENT: Final = {
    "an Excel workbook named csv": ReaderFile(
        "rows.csv", excel(), "refused", ("Excel workbook", "save the sheet as CSV")
    ),
    "an Excel workbook": ReaderFile("rows.xlsx", excel(), "refused", ("Excel workbook",)),
    "an old Excel workbook": ReaderFile(
        "rows.xls", b"\xd0\xcf\x11\xe0" + bytes(100), "refused", ("Excel workbook of the old format",)
    ),
    "parquet named csv": ReaderFile(
        "rows.csv", parquet_bytes(FRAME), "refused", ("a Parquet file", "rename it to rows.parquet")
    ),
    "gzip named csv": ReaderFile(
        "rows.csv", gzip.compress(PLAIN), "refused", ("compressed with gzip", "rename it to rows.csv.gz")
    ),
    "csv named parquet": ReaderFile("rows.parquet", PLAIN, "refused", ("is text", "rename it to rows.csv")),
    "csv named npy": ReaderFile("rows.npy", PLAIN, "refused", ("is text", "rename it to rows.csv")),
    "npz named npy": ReaderFile("rows.npy", npz(a=NORMAL), "refused", (".npz archive", "rename it to rows.npz")),
    "html": ReaderFile("rows.csv", b"<!DOCTYPE html><html><table></table></html>", "refused", ("web page",)),
    "xml": ReaderFile("rows.csv", b"<?xml version='1.0'?><rows/>", "refused", ("XML",)),
    "pdf": ReaderFile("rows.csv", b"%PDF-1.7 ...", "refused", ("PDF",)),
    "json": ReaderFile("rows.csv", b'[{"a": 1, "b": 2}]', "refused", ("JSON",)),
    "a json object": ReaderFile("rows.json", b'{"a": [1], "b": [2]}', "refused", ("JSON",)),
    "sqlite": ReaderFile("rows.csv", b"SQLite format 3\0" + bytes(100), "refused", ("SQLite",)),
    "hdf5": ReaderFile("rows.h5", b"\x89HDF\r\n\x1a\n" + bytes(100), "refused", ("HDF5",)),
    "a pickle": ReaderFile("rows.pkl", b"\x80\x04\x95" + bytes(50), "refused", ("pickle",)),
    "arff": ReaderFile("rows.arff", b"% weka\n@relation x\n@data\n1,2\n", "refused", ("ARFF",)),
    "a zip archive": ReaderFile(
        "rows.zip",
        saved(lambda s: __import__("zipfile").ZipFile(s, "w").writestr("rows.csv", "a,b")),
        "refused",
        ("zip archive", "unpack it"),
    ),
    "an image": ReaderFile("rows.csv", b"\x89PNG\r\n\x1a\n" + bytes(50), "refused", ("PNG image",)),
    "bzip2": ReaderFile("rows.csv.bz2", b"BZh91AY", "refused", ("bzip2",)),
    "bytes": ReaderFile("rows.csv", bytes(range(256)), "refused", ("NUL", "no text")),
    "an empty file": ReaderFile("rows.csv", b"", "refused", ("is empty",)),
    "a blank file": ReaderFile("rows.csv", b" \n\n", "refused", ("is empty",)),
    "a header alone": ReaderFile("rows.csv", b"a,b\n", "refused", ("has no rows",)),
    "a cut gzip": ReaderFile("rows.csv.gz", gzip.compress(PLAIN)[:-200], "refused", ("unpack",)),
    "a line for a spreadsheet": ReaderFile(
        "rows.csv",
        b"sep=;\n" + text(names="a;b", delimiter=";").encode(),
        "refused",
        ("for a spreadsheet", "remove the line"),
    ),
    "a quote left open": ReaderFile("rows.csv", b'a,b\n1,2\n3,"4\n', "refused", ("line 3", "quote")),
}

WORDS: Final = ["red", "green", "blue"] * 200
DAYS: Final = [str(day) for day in np.arange("2024-01-01", "2025-08-23", dtype="M8[D]")]
CELLS: Final = {
    "grouped thousands or decimal commas": ReaderFile(
        "rows.csv", ("a;b\n" + "1,250;2,750\n" * ROWS).encode(), "refused", ("1.250 or 1250", "--decimal")
    ),
    "grouped thousands, which is said": ReaderFile(
        "rows.csv",
        ("a;b\n" + "".join(f"{x},250;{3 * x % 7},750\n" for x in range(1, 9)) * 75).encode(),
        "fits",
        (),
        AB,
        {"decimal": ","},
    ),
    "a decimal point among decimal commas": ReaderFile(
        "rows.csv",
        text(names="a;b", delimiter=";", decimal=",").encode() + b"1.5;2,5\n",
        "refused",
        ("line 602", "'1.5'", "--decimal"),
    ),
    "a word": ReaderFile(
        "rows.csv",
        with_cells((17, 1, "oops")),
        "asks",
        ("line 17 of rows.csv, column 'b'", "'oops'", "--missing drop --missing-values=oops", "--drop b"),
    ),
    "a word that marks a missing cell": ReaderFile(
        "rows.csv",
        with_cells((17, 1, "?"), (18, 1, "?")),
        "fits",
        ("2 of 600 rows",),
        AB,
        {"missing_values": frozenset({"?"})},
        {"missing": "drop"},
        ROWS - 2,
    ),
    "missing cells": ReaderFile(
        "rows.csv",
        with_cells((5, 0, ""), (9, 1, "NA"), (10, 1, "nan")),
        "asks",
        ("'b' in 2, 'a' in 1 of 600 rows", "--missing drop leaves 3 rows out"),
    ),
    "missing cells that are dropped": ReaderFile(
        "rows.csv",
        with_cells((5, 0, ""), (9, 1, "NA")),
        "fits",
        ("2 of 600 rows have a missing cell",),
        AB,
        {},
        {"missing": "drop"},
        ROWS - 2,
    ),
    "infinity": ReaderFile("rows.csv", with_cells((5, 0, "inf")), "asks", ("missing or infinite", "line 5")),
    "a column that is mostly missing": ReaderFile(
        "rows.csv",
        columns(a=NORMAL[:, 0], b=np.where(np.arange(ROWS) % 3, np.nan, NORMAL[:, 1])),
        "asks",
        ("--drop b",),
    ),
    "an empty column": ReaderFile(
        "rows.csv",
        text(np.column_stack([NORMAL[:, :2], np.full(ROWS, np.nan)]), "a,b,c").encode(),
        "fits",
        ("'c' holds no value",),
        AB,
    ),
    "a short line": ReaderFile("rows.csv", PLAIN + b"1\n", "asks", ("line 602 of rows.csv has 1 cells", "expected 2")),
    "a long line": ReaderFile("rows.csv", PLAIN + b"1,2,3\n", "asks", ("line 602", "has 3 cells")),
    "an empty line between rows": ReaderFile(
        "rows.csv", PLAIN + b"\n1,2\n", "asks", ("line 602 of rows.csv is empty",)
    ),
    "text": ReaderFile(
        "rows.csv", with_column(WORDS, "colour"), "fits", ("'colour' holds text, such as 'red'", "left out"), AB
    ),
    "text that is named": ReaderFile(
        "rows.csv",
        with_column(WORDS, "colour"),
        "asks",
        ("only numbers are fitted", "--columns a"),
        (),
        {},
        {"columns": ("colour", "a")},
    ),
    "dates": ReaderFile("rows.csv", with_column(DAYS, "day"), "fits", ("'day' holds dates",), AB),
    "dates with points": ReaderFile(
        "rows.csv",
        with_column([f"{day[8:]}.{day[5:7]}.{day[:4]}" for day in DAYS], "Tag"),
        "fits",
        ("'Tag' holds dates",),
        AB,
    ),
    "truth values": ReaderFile(
        "rows.csv",
        with_column(["True", "False", "True"] * 200, "flag"),
        "fits",
        ("truth values of 'flag'", "integer 0:1"),
        ("flag", "a", "b"),
    ),
    "dates as numbers": ReaderFile(
        "rows.csv",
        with_column([day.replace("-", "") for day in DAYS], "day"),
        "asks",
        ("dates written as numbers", "--drop day"),
    ),
    "an id": ReaderFile(
        "rows.csv",
        with_column([str(7 + 3 * row + row * row % 2) for row in range(ROWS)], "id"),
        "asks",
        ("'id'", "--drop id", "--columns id,a,b"),
    ),
    "an id that is kept": ReaderFile(
        "rows.csv",
        with_column([str(7 + 3 * row + row * row % 2) for row in range(ROWS)], "id"),
        "fits",
        (),
        ("id", "a", "b"),
        {},
        {"columns": ("id", "a", "b")},
    ),
    "running numbers from 1": ReaderFile(
        "rows.csv",
        with_column([str(row + 1) for row in range(ROWS)], "id"),
        "fits",
        ("running numbers", "left out"),
        AB,
    ),
    "running numbers in another order": ReaderFile(
        "rows.csv",
        with_column([str(row) for row in np.random.default_rng(0).permutation(ROWS)], "n"),
        "fits",
        ("running numbers",),
        AB,
    ),
    "the index of pandas": ReaderFile(
        "rows.csv", with_column([str(row) for row in range(ROWS)], ""), "fits", ("index", "left out"), AB
    ),
    "the index of pandas, written twice": ReaderFile(
        "rows.csv",
        with_column([str(row) for row in range(ROWS)], "Unnamed: 0"),
        "fits",
        ("'Unnamed: 0'", "left out"),
        AB,
    ),
    "seconds since 1970": ReaderFile(
        "rows.csv",
        with_column([str(1_700_000_000 + 61 * row + row % 7) for row in range(ROWS)], "t"),
        "asks",
        ("since 1970", "--drop t"),
    ),
    "equal steps": ReaderFile(
        "rows.csv",
        with_column([f"{0.25 * row + 3}" for row in range(ROWS)], "t"),
        "asks",
        ("in steps of 0.25", "--drop t"),
    ),
    "columns that are dropped": ReaderFile(
        "rows.csv", text(NORMAL, "a,b,c").encode(), "fits", ("out: --drop",), ("a", "c"), {}, {"drop": ("b",)}
    ),
    "columns that are chosen": ReaderFile(
        "rows.csv", text(NORMAL, "a,b,c").encode(), "fits", (), ("c", "a"), {}, {"columns": ("c", "a")}
    ),
    "a name that no column has": ReaderFile(
        "rows.csv",
        text(names="height,weight").encode(),
        "asks",
        ("--drop names 'heigth'", "'height' is near"),
        (),
        {},
        {"drop": ("heigth",)},
    ),
    "the names of the product": ReaderFile(
        "rows.csv", text(NORMAL, "log_prob,z0,p_value").encode(), "fits", (), ("log_prob", "z0", "p_value")
    ),
    "a name like a formula": ReaderFile("rows.csv", text(names="a,=b").encode(), "asks", ("formula", "--drop")),
    "a long name": ReaderFile("rows.csv", text(names=f"a,{'b' * 200}").encode(), "asks", ("200 characters",)),
}

READER_FILES: Final[Mapping[str, ReaderFile]] = {**TEXTS, **ARRAYS, **OTHER_CONTENT, **CELLS}
