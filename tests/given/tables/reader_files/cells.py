"""Text files whose cells or columns are unusual: missing, words, ids, times, repeated names."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from .form import AB, NORMAL, PLAIN, ROWS, ReaderFile, columns, text, with_cells, with_column

WORDS: Final = ["red", "green", "blue"] * 200
DAYS: Final = [str(day) for day in np.arange("2024-01-01", "2025-08-23", dtype="M8[D]")]
CELLS: Final[Mapping[str, ReaderFile]] = {
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
