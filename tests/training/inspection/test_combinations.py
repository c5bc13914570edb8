"""A column that others determine is found in any units; columns that are only correlated are left alone."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from diffeo.tables.reading.read import read_table
from diffeo.training.inspection import Choices, TableReport, inspect

Vector = npt.NDArray[np.floating]

A, B, C = np.random.default_rng(0).normal(size=(1000, 3)).T


def look(*columns: Vector) -> TableReport:
    rows = np.column_stack(columns).astype(np.float64)
    named = pd.DataFrame(rows, columns=list("abcdefgh"[: rows.shape[1]]))
    return inspect(read_table(named), Choices())


def six_digits(column: Vector) -> Vector:
    return np.array([float(f"{value:.6g}") for value in column])


FIT: dict[str, Callable[[], TableReport]] = {
    "two independent columns": lambda: look(A, B),
    "one column": lambda: look(A),
    "correlation 0.9999": lambda: look(A, 0.9999 * A + np.sqrt(1 - 0.9999**2) * B),
    "correlation 0.999999": lambda: look(A, 0.999999 * A + np.sqrt(1 - 0.999999**2) * B),
    "a curve": lambda: look(A, A**2),
    "a sum with a little noise": lambda: look(A, B, A + B + 1e-2 * C),
    "units far apart": lambda: look(1e-300 * A, 1e300 * B),
    "sums beyond float64": lambda: look(1e307 * A, B),
    "a large mean": lambda: look(1e9 + A, B),
}


@pytest.mark.parametrize("case", FIT.values(), ids=FIT.keys())
def test_columns_with_a_density_have_no_fault(case: Callable[[], TableReport]) -> None:
    assert not case().faults


UNFIT: dict[str, tuple[list[Vector], tuple[str, ...]]] = {
    "a copy": ([A, B, A], ("'c' equals 'a' in every row",)),
    "a negated copy": ([A, -A], ("'b'", "combination of a")),
    "2 a + 1": ([A, B, 2 * A + 1], ("'c'", "combination of a")),
    "2 a + 1 in 6 digits": ([six_digits(A), six_digits(2 * A + 1)], ("'b'", "combination of a")),
    "2 a + 1 in 6 digits, means 10 spreads from 0": (
        [six_digits(100 + 10 * A), six_digits(201 + 20 * A)],
        ("'b'", "combination of a"),
    ),
    "2 a + 1 in 6 decimals": ([A.round(6), (2 * A + 1).round(6)], ("'b'", "combination of a")),
    "2 a + 1 in float32": ([A.astype("f4"), (2 * A + 1).astype("f4")], ("'b'", "combination of a")),
    "kelvin and celsius": ([293.15 + 8 * A, 20 + 8 * A], ("'b'", "combination of a")),
    "units far apart": ([1e-200 * A, B, 1e200 * A], ("'c'", "combination of a")),
    "a sum": ([A, C, B, six_digits(A - 3 * B)], ("'d'", "combination of a, c")),
    "a sum with one small part": ([A, A + 1e-3 * B, B], ("'c'", "combination of a, b")),
    "shares of 1": ([A, B, 1 - A - B], ("'c'", "combination of a, b")),
    "two sets": ([A, B, 2 * A, C, 3 * B], ("'c'", "combination of a", "'e'", "combination of b")),
}


@pytest.mark.parametrize(("columns", "words"), UNFIT.values(), ids=UNFIT.keys())
def test_a_determined_column_is_named_with_those_that_decide_it(columns: list[Vector], words: tuple[str, ...]) -> None:
    said = " ".join(str(fault) for fault in look(*columns).faults)
    assert [word for word in words if word not in said] == [], said
    assert "--drop" in said
