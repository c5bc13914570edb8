"""Tables as users have them, and the expected answer or error for each, which is the same at every entry point.

A table is given in every form that can express it: CSV text, named columns of typed values, an array without names.
The model is the one that is known by hand; it takes the columns height and weight.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

GAP: Final = float("nan")  # a missing number; its row has no answer

Values = Sequence[object] | npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Rows:
    """The table is read as these rows of (height, weight); a row with a GAP has no answer."""

    rows: Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class Refused:
    """The table is refused in a sentence that contains these words."""

    words: Sequence[str]


@dataclass(frozen=True, slots=True)
class Case:
    """One table in up to three forms, and the one result that is expected for it.

    Attributes:
        expected: the result at every entry point.
        csv: the text of a CSV file.
        columns: names and values, in order; a name may occur twice.
        array: rows without names.
        only: the reason if other forms cannot express the table.
        in_files: the result where a person names a file, whose dialect is found; None if it is the same.
    """

    expected: Rows | Refused
    csv: bytes | None = None
    columns: Sequence[tuple[str, Values]] | None = None
    array: object = None
    only: str = ""
    in_files: Rows | Refused | None = None


TWO: Final = Rows([[1.7, -2.0], [3.0, 2.5]])
HEIGHT: Final = ("height", [1.7, 3.0])
WEIGHT: Final = ("weight", [-2.0, 2.5])
NO_UNICODE: Final = Refused(["not UTF-8"])


def missing(*names: str) -> Refused:
    """The refusal of a table without these columns."""
    return Refused([f"the model takes height, weight; missing: {', '.join(names)}"])


def named(expected: Rows | Refused, csv: bytes, *columns: tuple[str, Values]) -> Case:
    """A table that needs names for its columns."""
    return Case(expected, csv, columns, only="an array has no names")


def text(expected: Rows | Refused, csv: bytes, in_files: Rows | Refused | None = None) -> Case:
    """A table that only text can spell."""
    return Case(expected, csv, only="only text has this spelling", in_files=in_files)


EMPTY: Final = np.empty(0)
ID: Final = ("id", [1, 2])
LABEL: Final = ("label", ['5" pipe', "c"])

COLUMNS: Final[Mapping[str, Case]] = {
    "the columns of the model": Case(TWO, b"height,weight\n1.7,-2\n3,2.5\n", [HEIGHT, WEIGHT], [[1.7, -2], [3, 2.5]]),
    "in another order": named(TWO, b"weight,height\n-2,1.7\n2.5,3\n", WEIGHT, HEIGHT),
    "an id beside them": named(TWO, b"id,height,weight\n1,1.7,-2\n2,3,2.5\n", ID, HEIGHT, WEIGHT),
    "text beside them, with inches": named(
        TWO, b'height,weight,label\n1.7,-2,5" pipe\n3,2.5,6" pipe\n', HEIGHT, WEIGHT, LABEL
    ),
    "an index that pandas wrote": named(
        TWO, b"Unnamed: 0,height,weight\n0,1.7,-2\n1,3,2.5\n", ("Unnamed: 0", [0, 1]), HEIGHT, WEIGHT
    ),
    "truth values beside them": named(
        TWO, b"height,weight,old\n1.7,-2,True\n3,2.5,False\n", HEIGHT, WEIGHT, ("old", [True, False])
    ),
    "blanks around names": named(TWO, b" height ,\tweight\n1.7,-2\n3,2.5\n", (" height", HEIGHT[1]), WEIGHT),
    "one column missing": named(missing("weight"), b"height,lat\n1.7,-2\n", HEIGHT, ("lat", [1.0, 2.0])),
    "one column alone": named(missing("weight"), b"height\n1.7\n", HEIGHT),
    "both renamed": named(
        missing("height", "weight"), b"height_m,weight_kg\n1.7,-2\n", ("height_m", [1.7]), ("weight_kg", [-2.0])
    ),
    "one renamed, one moved": named(missing("height"), b"weight,x\n-2,1.7\n", WEIGHT, ("x", [1.7, 3.0])),
    "another case": named(missing("height"), b"Height,weight\n1,2\n", ("Height", [1.7, 3.0]), WEIGHT),
    "a needed name twice": named(
        Refused(["names the column height twice"]), b"height,height,weight\n1,9,-2\n", HEIGHT, HEIGHT, WEIGHT
    ),
    "another name twice": named(TWO, b"id,height,id,weight\n1,1.7,1,-2\n2,3,2,2.5\n", ID, HEIGHT, ID, WEIGHT),
    "no names": Case(TWO, b"1.7,-2\n3,2.5\n", None, [[1.7, -2.0], [3.0, 2.5]], "columns have names"),
    "no names and a column more": Case(
        Refused(["3", "takes 2: height, weight"]), b"1,1.7,-2\n2,3,2.5\n", None, [[1, 1.7, -2]], "columns have names"
    ),
    "numbers that were meant as names": text(Rows([[0, 1], [3, 2.5]]), b"0,1\n3,2.5\n"),
    "years in quotes as names": named(
        missing("height", "weight"), b'"2019","2020"\n1,2\n', ("2019", [1.0]), ("2020", [2.0])
    ),
    "a name and a number in line 1": text(
        Refused(["line 1: column 2 has '7' beside the name 'height'"]), b"height,7\n1,2\n", missing("weight")
    ),
    "an empty name": text(Refused(["line 1: column 2 has no name"]), b"height,,weight\n1,2,3\n", Rows([[1, 3]])),
    "a line for a spreadsheet": text(Refused(["'sep=,'", "remove the line"]), b"sep=,\nheight,weight\n1,2\n"),
    "tabs between cells": text(missing("height", "weight"), b"height\tweight\n1.7\t-2\n", Rows([[1.7, -2]])),
    "semicolons between cells": text(missing("height", "weight"), b"height;weight\n1.7;-2\n", Rows([[1.7, -2]])),
    "semicolons and decimal commas": text(
        Refused(["cells found: 2; expected 1"]), b"height;weight\n1,7;-2\n3;2,5\n", TWO
    ),
    "names alone": Case(
        Rows([]),
        b"height,weight\n",
        [("height", np.empty(0)), ("weight", np.empty(0))],
        only="an empty list has no width",
    ),
    "other names alone": named(missing("height", "weight"), b"a,b\n", ("a", EMPTY), ("b", EMPTY)),
}

LINES: Final[Mapping[str, Case]] = {
    "lines that end with CR": text(TWO, b"height,weight\r1.7,-2\r3,2.5\r"),
    "lines that end with CRLF": text(TWO, b"height,weight\r\n1.7,-2\r\n3,2.5\r\n"),
    "lines that end in all ways": text(TWO, b"height,weight\n1.7,-2\r3,2.5\r\n"),
    "no line end at the end": text(TWO, b"height,weight\n1.7,-2\n3,2.5"),
    "empty lines at the end": text(TWO, b"height,weight\n1.7,-2\n3,2.5\n\n \r\n"),
    "an empty line between rows": text(Refused(["cells found: 1; expected 2"]), b"height,weight\n1,2\n\n3,4\n"),
    "an empty line first": text(Refused(["line 1 has no name"]), b"\nheight,weight\n1,2\n"),
    "a byte order mark": text(TWO, b"\xef\xbb\xbfheight,weight\n1.7,-2\n3,2.5\n"),
    "UTF-16": text(NO_UNICODE, "height,weight\n1,2\n".encode("utf-16"), Rows([[1, 2]])),
    "Latin-1 in the header": text(NO_UNICODE, b"temp_\xe9,height,weight\n1,2,3\n", Rows([[2, 3]])),
    "a compressed file": text(
        NO_UNICODE, b"\x1f\x8b\x08\x08\x0c\x00\xff", Refused(["compressed with gzip", "rows.csv.gz"])
    ),
    "nothing at all": text(Refused(["empty"]), b"\n"),
    "a short row": text(Refused(["cells found: 1; expected 2"]), b"height,weight\n1,2\n3\n"),
    "a long row": text(Refused(["cells found: 3; expected 2"]), b"height,weight\n1,2\n3,4,5\n"),
    "quotes around cells": text(TWO, b'"height", "weight"\n"1.7", "-2"\n" 3 ","2.5" \n'),
    "lines within quotes": text(TWO, b'height,note,weight\n1.7,"a\n\n""b"", c",-2\n3,,2.5\n'),
    "a quote left open": text(Refused(["a quote does not enclose its cell"]), b'height,weight\n1,2\n3,"4\n'),
    "text behind a quote": text(Refused(["a quote does not enclose its cell"]), b'height,weight\n1,"2"x\n'),
}
