"""A table of numbers is reported with the kind of each column; what cannot be fitted is a fault with its option."""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest

from diffeo.tables.reading.read import read_table
from diffeo.training.errors import DataError
from diffeo.training.inspection import Bounds, Choices, TableReport, chosen, inspect, look, render

Columns = dict[str, npt.ArrayLike]

N: Final = 1000
RNG: Final = np.random.default_rng(5)
A, B, C = RNG.normal(size=(3, N))
UNIFORM: Final = RNG.random(N)
FLAG: Final = (RNG.random(N) < 0.3).astype(float)
LEVEL: Final = RNG.integers(0, 3, N)


def replaced(values: npt.ArrayLike, *cells: tuple[int, float]) -> npt.NDArray[np.float64]:
    """The values with other ones in some rows."""
    found = np.array(values, np.float64)
    for row, value in cells:
        found[row] = value
    return found


def report_of(columns: Columns, /, **choices: object) -> TableReport:
    vectors = {name: np.asarray(values) for name, values in columns.items()}
    records = np.rec.fromarrays(list(vectors.values()), names=list(vectors))  # type: ignore[call-overload]
    return inspect(read_table(np.asarray(records)), Choices(**choices))  # type: ignore[arg-type]


KINDS: Final[dict[str, tuple[npt.ArrayLike, str]]] = {
    "normal": (A, "continuous"),
    "rounded to one decimal": (np.round(3 * A, 1), "continuous"),
    "rounded and positive": (np.round(70 + 5 * A, 1), "continuous"),
    "a flag": (FLAG, "integer 0:1"),
    "a die": (RNG.integers(1, 7, N), "integer 1:6"),
    "counts": (RNG.poisson(2, N), "integer 0:"),
    "large counts": (RNG.poisson(400, N), "integer"),
    "whole numbers beyond float32": (2.0**25 * np.round(1000 * A), "continuous"),
    "uniform from 0 to 1": (UNIFORM, "continuous 0:1"),
    "exponential": (RNG.exponential(size=N), "continuous 0:"),
    "chi squared": (A**2, "continuous 0:"),
    "lognormal": (np.exp(A), "continuous"),
    "far from 0": (100 + UNIFORM, "continuous"),
    "half of it zero": (np.where(UNIFORM < 0.5, 0, np.exp(B)), "continuous 0:, 1 atom"),
    "a tenth of it zero, both signs": (np.where(UNIFORM < 0.1, 0, B), "continuous, 1 atom"),
    "rain in tenths": (np.where(UNIFORM < 0.6, 0, np.round(np.exp(B), 1)), "continuous 0:, 1 atom"),
    "rounded, and 0.2 most often": (np.round(np.where(FLAG, 0.25 + 0.05 * A, 1.7 + 0.4 * B), 1), "continuous"),
    "heaped at whole numbers": (np.where(FLAG, np.round(60 + 13 * A, 1), np.round(60 + 13 * A)), "continuous"),
    "a lattice of three values": (0.5 * RNG.integers(0, 3, N), "continuous, 3 atoms"),
    "one value but for one row": (replaced(np.zeros(N), (7, 0.5)), "continuous, 2 atoms"),
    "heaped at its least value and between": (
        np.where(UNIFORM < 0.1, -4, np.where(UNIFORM < 0.3, 0.5, A)),
        "continuous, 2 atoms",
    ),
    "clipped on both sides": (np.clip(A, -1, 1.5), "continuous -1:1.5, 2 atoms"),
    "cauchy": (np.random.default_rng(0).standard_cauchy(N), "heavy tails"),
    "one cell of 1e12": (replaced(A, (7, 1e12)), "heavy tails"),
    "each value twenty times": (np.repeat(A[:50], 20), "continuous"),
}


@pytest.mark.parametrize(("values", "kind"), KINDS.values(), ids=KINDS.keys())
def test_the_kind_of_a_column_is_proposed(values: npt.ArrayLike, kind: str) -> None:
    report = report_of({"a": values, "other": C})
    assert report.columns[0].kind is not None
    assert report.columns[0].kind.text == kind
    assert report.ok, render(report)


def test_an_atom_has_its_value_and_its_share() -> None:
    kind = report_of({"a": np.where(np.arange(N) % 4 == 0, 2.5, A), "b": B}).columns[0].kind
    assert kind is not None
    assert [(atom.value, atom.share) for atom in kind.atoms] == [(2.5, 0.25)]


def test_given_bounds_and_integers_stand_above_proposals() -> None:
    report = report_of({"a": UNIFORM, "b": np.round(3 * B)}, bounds=(("a", Bounds(-1, None)),), integers=("b",))
    assert [column.kind.text for column in report.used if column.kind] == ["continuous -1:", "integer"]


@dataclass(frozen=True, slots=True)
class Unusual:
    """A table that is unusual, and the words of its report."""

    columns: Columns
    words: tuple[str, ...]
    ok: bool = False
    choices: dict[str, Any] = field(default_factory=dict)


UNUSUAL: Final = {
    "constants": Unusual(
        {"a": A, "c1": np.zeros(N), "c2": np.full(N, 2.0), "b": B},
        ("hold one value in every row", "c2' = 2", "--drop c1,c2"),
    ),
    "a rare flag": Unusual(
        {"a": A, "flag": replaced(np.zeros(N), (5, 1), (77, 1))}, ("'flag' holds 0 in all but 2 rows",), ok=True
    ),
    "a sentinel": Unusual(
        {"a": np.where(UNIFORM < 0.05, -999, A), "b": B}, ("holds -999 in", "--missing drop --missing-values=-999")
    ),
    "one sentinel": Unusual({"a": replaced(A, (0, -999)), "b": B}, ("holds -999 in 1 row", "--missing-values=-999")),
    "a sentinel that nobody knows": Unusual(
        {"a": np.where(UNIFORM < 0.05, -4711, A), "b": B}, ("holds -4711 in", "--missing-values=-4711")
    ),
    "two sentinels": Unusual(
        {"a": np.where(UNIFORM < 0.05, -999, np.where(UNIFORM > 0.95, 1e20, A)), "b": B},
        ("--missing-values=-999,1e+20",),
    ),
    "a sentinel in all columns of a row": Unusual(
        {"a": np.where(UNIFORM < 0.05, -99999, A), "b": np.where(UNIFORM < 0.05, -99999, B)},
        ("far from its other values", "and so do b", "-99999"),
    ),
    "a sentinel that is given": Unusual(
        {"a": np.where(UNIFORM < 0.05, -999, A), "b": B},
        ("rows have a missing cell",),
        ok=True,
        choices={"missing": "drop", "missing_values": (-999.0,)},
    ),
    "a sentinel that is given and not dropped": Unusual(
        {"a": np.where(UNIFORM < 0.05, -999, A), "b": B},
        ("cells are missing", "--missing drop"),
        choices={"missing_values": (-999.0,)},
    ),
    "a sentinel in a column that is named": Unusual(
        {"a": np.where(UNIFORM < 0.05, -999, A), "b": B}, ("holds -999 in",), ok=True, choices={"columns": ("a", "b")}
    ),
    "one far cell": Unusual(
        {"a": replaced(A, (41, 1e12)), "b": B}, ("row 42 of the array, column 'a', holds 1e+12",), ok=True
    ),
    "one cell of 1e30": Unusual({"a": replaced(A, (41, 1.5e30)), "b": B}, ("row 42 of the array", "1.5e+30"), ok=True),
    "1e44": Unusual({"a": 3e44 * np.exp(0.2 * A), "b": B}, ("'a' holds", "e+44", "float32"), ok=True),
    "1e-50": Unusual({"a": 1e-50 * A, "b": B}, ("float32 does not hold such small numbers",), ok=True),
    "a std that overflows": Unusual({"a": 1e300 * A, "b": B}, ("float32",), ok=True),
    "numbers near the largest one": Unusual({"a": 1.7e308 * np.tanh(A), "b": B}, ("float32",), ok=True),
    "nearly constant large numbers": Unusual(
        {"a": 1.7e9 + A, "b": B}, ("differs from 1700000000", "float32 rounds"), ok=True
    ),
    "a column twice": Unusual({"a": A, "b": B, "c": A}, ("'c' equals 'a' in every row", "--drop c")),
    "a sum": Unusual({"a": A, "b": B, "c": 2 * A - B + 3}, ("'c' is a linear combination of a, b", "--drop c")),
    "two sums": Unusual({"a": A, "b": B, "c": A + B, "d": A - B}, ("'c' is a linear", "'d' is a linear")),
    "a sum with one far cell": Unusual(
        {"a": replaced(A, (3, 1e12)), "b": B, "c": A + B}, ("is a linear combination of",)
    ),
    "one far cell and no sum": Unusual(
        {"a": replaced(A, (3, 1e12)), "b": replaced(B, (3, 1e12)), "c": C}, ("1e+12",), ok=True
    ),
    "nearly a sum": Unusual({"a": A, "b": B, "c": A + B + 3e-4 * C}, (), ok=True),
    "one hot": Unusual(
        {"a": A, "k0": LEVEL == 0, "k1": LEVEL == 1, "k2": LEVEL == 2},
        ("hold one 1 and otherwise 0 in every row", "--drop k2"),
    ),
    "repeated rows": Unusual(
        {"a": np.repeat(A[:50], 20), "b": np.repeat(B[:50], 20)}, ("95.0 % of the rows repeat an earlier row",), ok=True
    ),
    "few rows": Unusual({"a": A[:30], "b": B[:30]}, ("30 rows are left, fewer than 50", "--min-rows 30")),
    "very few rows": Unusual({"a": A[:9], "b": B[:9]}, ("9 rows left", "at least 10", "add rows")),
    "few rows that are accepted": Unusual(
        {"a": A[:30], "b": B[:30]}, ("30 rows are few",), ok=True, choices={"min_rows": 30}
    ),
    "150 rows": Unusual({"a": A[:150], "b": B[:150]}, ("150 rows are few for 2 columns",), ok=True),
    "a value outside of its bounds": Unusual(
        {"a": replaced(UNIFORM, (2, -0.1)), "b": B},
        ("row 3 of the array holds -0.1", "--bounds a=-0.1:1"),
        choices={"bounds": (("a", Bounds(0, 1)),)},
    ),
    "a part of a whole number": Unusual(
        {"a": A, "b": B}, ("is no whole number", "--integers"), choices={"integers": ("a",)}
    ),
    "weights": Unusual({"a": A, "w": UNIFORM}, ("out: weights",), ok=True, choices={"weights": "w"}),
    "a negative weight": Unusual(
        {"a": A, "w": replaced(UNIFORM, (9, -1))},
        ("row 10 of the array holds the weight -1", "--weights"),
        choices={"weights": "w"},
    ),
    "weights of 0": Unusual({"a": A, "w": np.zeros(N)}, ("no weight", "--weights"), choices={"weights": "w"}),
    "a missing weight": Unusual(
        {"a": A, "w": replaced(UNIFORM, (9, np.nan))},
        ("1 weights are missing", "--missing drop"),
        choices={"weights": "w"},
    ),
    "weights that no column has": Unusual(
        {"a": A, "w": UNIFORM}, ("--weights names 'weight'",), choices={"weights": "weight"}
    ),
}


@pytest.mark.parametrize("case", UNUSUAL.values(), ids=UNUSUAL.keys())
@pytest.mark.filterwarnings("error")
def test_what_is_unusual_is_found_and_named(case: Unusual) -> None:
    report = report_of(case.columns, **case.choices)
    text = render(report)
    flat = " ".join(text.split())
    assert report.ok == case.ok, text
    assert [word for word in case.words if word not in flat] == [], text


def test_all_faults_are_reported_together_each_with_its_option() -> None:
    table: Columns = {
        "id": np.cumsum(1 + RNG.integers(0, 5, N)),
        "a": np.where(UNIFORM < 0.05, -999, A),
        "b": replaced(B, (4, np.nan)),
        "c": np.ones(N),
        "d": C,
        "e": C,
    }
    report = report_of(table)
    assert len(report.faults) == 5
    assert all(fault.option.startswith("--") for fault in report.faults)


def test_following_the_options_of_a_report_gives_a_table_that_fits() -> None:
    table: Columns = {
        "a": np.where(UNIFORM < 0.05, -999, A),
        "b": replaced(B, (4, np.nan)),
        "c": np.ones(N),
        "d": C,
        "e": C,
    }
    choices = {"missing": "drop", "missing_values": (-999.0,), "drop": ("c", "e")}
    report = report_of(table, **choices)
    assert report.ok, render(report)
    assert [column.name for column in report.used] == ["a", "b", "d"]


def test_the_chosen_rows_are_complete_with_their_weights_and_numbers() -> None:
    rows = np.column_stack([A, B, UNIFORM])
    rows[[3, 5], [0, 2]] = np.nan
    table = read_table(rows)
    choices = Choices(columns=("x1", "x0"), missing="drop", weights="x2")
    found = chosen(table, inspect(table, choices), choices)
    kept = np.delete(np.arange(N), [3, 5])
    assert found.columns == ("x1", "x0")
    np.testing.assert_array_equal(found.rows, rows[kept][:, [1, 0]])
    np.testing.assert_array_equal(found.weights, rows[kept, 2])
    np.testing.assert_array_equal(found.row_numbers, kept)


def test_a_report_with_faults_has_no_chosen_rows() -> None:
    table = read_table(np.ones((100, 2)))
    with pytest.raises(DataError, match="one value in every row"):
        chosen(table, inspect(table, Choices()), Choices())


def test_two_hundred_columns_take_at_most_forty_lines() -> None:
    text = look(np.random.default_rng(0).normal(size=(300, 200)))
    assert len(text.splitlines()) <= 40
    assert "188 more: 188 continuous" in text


def test_integers_alone_may_repeat_rows_without_a_note() -> None:
    assert "repeat" not in look(RNG.integers(1, 4, (500, 3)))
