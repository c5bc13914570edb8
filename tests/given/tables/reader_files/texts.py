"""Text files: delimiters, decimal signs, headers, encodings and compression."""

import gzip
from collections.abc import Mapping
from typing import Final

import numpy as np

from .form import AB, NORMAL, PLAIN, ROWS, ReaderFile, npy, text, with_column, zstd

TEXTS: Final[Mapping[str, ReaderFile]] = {
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
