"""An array becomes rows of numbers; a type whose meaning a cast would change, such as a date, is refused."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from diffeo.errors import WrongTable
from diffeo.tables import arrays, frames

NUMBERS: dict[str, tuple[object, list[list[float]]]] = {
    "integers": ([[1, 2]], [[1, 2]]),
    "a masked array": (np.ma.array([[1.0, 2.0]], mask=[[True, False]]), [[np.nan, 2]]),
    "masked integers": (np.ma.array([[1, 2]], mask=[[True, False]]), [[np.nan, 2]]),
    "a masked array without a mask": (np.ma.array([[1, 2]]), [[1, 2]]),
    "None in a list": ([[None, 2]], [[np.nan, 2]]),
    "numbers as objects": (np.array([[Decimal(1), np.float32(2)]], dtype=object), [[1, 2]]),
    "half precision": (np.array([[1, 2]], np.float16), [[1, 2]]),
    "the other byte order": (np.array([[1, 2]], ">f8"), [[1, 2]]),
    "infinity": ([[np.inf, 1]], [[np.inf, 1]]),
}


@pytest.mark.parametrize(("array", "rows"), NUMBERS.values(), ids=NUMBERS.keys())
def test_every_number_is_read(array: object, rows: list[list[float]]) -> None:
    np.testing.assert_array_equal(arrays.rows(array), rows)


def test_float32_stays_and_everything_else_becomes_float64() -> None:
    assert arrays.rows(np.ones((1, 2), np.float32)).dtype == np.float32
    assert arrays.rows(np.ma.ones((1, 2), np.float32)).dtype == np.float32
    assert arrays.rows(np.ones((1, 2), np.int8)).dtype == np.float64


REFUSED: dict[str, tuple[object, str]] = {
    "dates": (np.zeros((1, 2), "M8[s]"), r"no table of numbers: they hold datetime64"),
    "time differences": (np.zeros((1, 2), "m8[s]"), r"they hold timedelta64"),
    "complex numbers": (np.zeros((1, 2), complex), "they hold complex128"),
    "text": (np.array([["1", "2"]]), "they hold <U1"),
    "text of any length": (np.array([["1", "2"]], np.dtypes.StringDType()), "they hold StringDType"),
    "bytes": (np.array([[b"1", b"2"]]), r"they hold \|S1"),
    "truth values": (np.zeros((1, 2), bool), "they hold bool"),
    "a masked array of truth values": (np.ma.zeros((1, 2), bool), "they hold bool"),
    "records": (np.zeros(2, [("a", "f8"), ("b", "f8")]), "they are records of a, b"),
    "text among objects": (np.array([[1, 2], [3, "x"]], dtype=object), "row 2, column 2: 'x' is no number"),
    "a truth value among objects": (np.array([[1, True]], dtype=object), "row 1, column 2: True is no number"),
    "a date among objects": ([[1, dt.date(2024, 1, 1)]], "row 1, column 2: .*2024.* is no number"),
    "a time difference among objects": (np.array([[1, np.timedelta64(1)]], dtype=object), "is no number"),
    "rows of two widths": ([[1, 2], [3]], "no table of numbers"),
    "a dictionary": ({"a": [1]}, "is no number"),
    "one axis": ([1, 2], r"shape \(2,\); expected \(rows, columns\)"),
    "nothing": (None, r"shape \(\); expected"),
    "a table of pyarrow": (pa.table({"a": [1]}), "pyarrow.Table is not read; pass a DataFrame of pandas or polars"),
}


@pytest.mark.parametrize(("array", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_an_array_that_is_not_a_table_of_numbers_is_refused_in_one_sentence(array: object, words: str) -> None:
    with pytest.raises(WrongTable, match=words) as refusal:
        arrays.rows(array)
    assert len(str(refusal.value)) < 200


def test_a_structured_array_is_matched_by_the_names_of_its_fields() -> None:
    records = np.array([(1, 2.0, b"x"), (3, 4.0, b"y")], [("b", "i4"), ("a", "f8"), ("label", "S1")])
    np.testing.assert_array_equal(frames.rows(records, ["a", "b"]), [[2, 1], [4, 3]])
    masked = np.ma.array(records, mask=[(True, False, False), (False, False, False)])
    np.testing.assert_array_equal(frames.rows(masked, ["a", "b"]), [[2, np.nan], [4, 3]])
    with pytest.raises(WrongTable, match="the table has b, a, label; the model takes x, y; missing: x, y"):
        frames.rows(records, ["x", "y"])
    with pytest.raises(WrongTable, match=r"the column 'label' holds \|S1; expected numbers"):
        frames.rows(records, ["label"])
