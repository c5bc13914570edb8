"""Tables whose cells are numbers, missing or wrong, and tables of types that are no numbers."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from .cases import GAP, HEIGHT, TWO, WEIGHT, Case, Refused, Rows, Values, missing, text


def wrong(column: str, shown: str, csv: bytes) -> Case:
    """A table with a cell that is neither a number nor missing."""
    return text(Refused([f"column '{column}'", shown, "is no number"]), csv)


def typed(values: Values) -> Case:
    """A table whose second column has this type."""
    columns = [("height", [1.7]), ("weight", values)]
    return Case(
        Refused(["'weight'", "expected numbers"]), None, columns, only="CSV and arrays have no type for a column"
    )


def array(expected: Rows | Refused, rows: npt.NDArray[np.generic]) -> Case:
    """A table that only an array can express."""
    return Case(expected, array=rows, only="only NumPy has such arrays")


NO_NUMBERS: Final = Refused(["number"])

CELLS: Final[Mapping[str, Case]] = {
    "missing cells": Case(
        Rows([[1.7, GAP], [GAP, 2.0], [3.0, 2.5]]),
        b"height,weight\n1.7,\n,2\n3,2.5\n",
        [("height", [1.7, None, 3.0]), ("weight", [None, 2.0, 2.5])],
        [[1.7, None], [None, 2.0], [3.0, 2.5]],
    ),
    "missing cells in words": text(
        Rows([[GAP, 1]] * 7 + [[3, 2.5]]),
        b"height,weight\nNA,1\nn/a,1\n NaN ,1\nnull,1\nNone,1\n<NA>,1\n  ,1\n3,2.5\n",
    ),
    "numbers that are not finite": Case(
        Rows([[GAP, 1], [2, GAP], [3.0, 2.5]]),
        b"height,weight\n-inf,1\n2,Infinity\n3,2.5\n",
        [("height", [-np.inf, 2.0, 3.0]), ("weight", [1.0, np.inf, 2.5])],
        np.array([[-np.inf, 1], [2, np.inf], [3, 2.5]]),
    ),
    "a number beyond float64": text(Rows([[GAP, 1], [3, 2.5]]), b"height,weight\n1e400,1\n3,2.5\n"),
    "a number beyond float32": Case(
        Rows([[GAP, 1.0], [3.0, 2.5]]),
        b"height,weight\n1e300,1\n3,2.5\n",
        [("height", [1e300, 3.0]), ("weight", [1.0, 2.5])],
        [[1e300, 1.0], [3.0, 2.5]],
    ),
    "every spelling of a number": text(Rows([[1, -0.5], [2, 1000]]), b"height,weight\n+1,-.5\n 2. ,1E+3\n"),
    "a number that stands for nothing": Case(
        Rows([[-999, 1]]), b"height,weight\n-999,1\n", [("height", [-999.0]), ("weight", [1.0])], [[-999.0, 1.0]]
    ),
    "integers": Case(
        Rows([[1, 2]]), b"height,weight\n1,2\n", [("height", [1]), ("weight", [2])], np.array([[1, 2]], np.int16)
    ),
    "a word": wrong("height", "'abc'", b"height,weight\n1,2\nabc,4\n"),
    "a grouped number": wrong("weight", "'1_000'", b"height,weight\n1,1_000\n"),
    "a hexadecimal number": wrong("height", "'0x10'", b"height,weight\n0x10,2\n"),
    "a comma for a point": replace(wrong("weight", "'12,5'", b'height,weight\n1,"12,5"\n'), in_files=Rows([[1, 12.5]])),
    "a comma for a point, beside points": wrong("weight", "'12,5'", b'height,weight\n1.5,"12,5"\n'),
    "a non-breaking space": wrong("height", r"'1.7\xa0'", b"height,weight\n1.7\xc2\xa0,-2\n"),
    "digits of another script": wrong("height", "\u0663", "height,weight\n\u0663,-2\n".encode()),
    "a date": wrong("height", "'2024-01-01'", b"height,weight\n2024-01-01,2\n"),
    "a truth value": wrong("weight", "'True'", b"height,weight\n1,True\n"),
}

TYPES: Final[Mapping[str, Case]] = {
    "a column of dates": typed(np.array(["2024-01-01"], "M8[ms]")),
    "a column of time differences": typed(np.array([1], "m8[ms]")),
    "a column of truth values": typed([True]),
    "a column of text": typed(["1"]),
    "an array of dates": array(NO_NUMBERS, np.zeros((1, 2), "M8[s]")),
    "an array of time differences": array(NO_NUMBERS, np.zeros((1, 2), "m8[s]")),
    "an array of truth values": array(NO_NUMBERS, np.zeros((1, 2), bool)),
    "an array of text": array(NO_NUMBERS, np.array([["1", "2"]])),
    "an array of bytes": array(NO_NUMBERS, np.array([[b"1", b"2"]])),
    "an array of complex numbers": array(Refused([]), np.zeros((1, 2), complex)),
    "a masked array": array(
        Rows([[GAP, -2], [3, 2.5]]), np.ma.array([[1.7, -2], [3, 2.5]], mask=[[True, False], [False, False]])
    ),
    "records with the names of the model": array(
        TWO, np.array([(-2, 1.7), (2.5, 3)], [("weight", "f8"), ("height", "f8")])
    ),
    "records with other names": array(missing("height", "weight"), np.array([(1, 2)], [("a", "f8"), ("b", "f8")])),
    "objects that are numbers": array(Rows([[1, 2], [3, 2.5]]), np.array([[1, 2], [3, 2.5]], object)),
    "objects that are no numbers": array(NO_NUMBERS, np.array([[1, "2"]], object)),
    "a frame of objects": Case(TWO, None, [("height", np.array(HEIGHT[1], object)), WEIGHT], only="CSV has no objects"),
}
