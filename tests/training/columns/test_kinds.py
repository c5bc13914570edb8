"""A proposed kind becomes a kind of the manifest that maps every row of its table, and back to the same row."""

import numpy as np
import numpy.typing as npt
import pytest

from diffeo.bundle.schema.column_kind import ColumnKind
from diffeo.runtime.column_map import ColumnMap
from diffeo.training.columns.kinds import manifest_kinds, words
from diffeo.training.errors import DataError
from diffeo.training.inspection import Atom
from diffeo.training.inspection import ColumnKind as Proposed

Rows = npt.NDArray[np.float64]

DRAW = np.random.default_rng(3)
A = DRAW.normal(size=500)
RAIN = np.where(DRAW.random(500) < 0.4, 0.0, np.exp(A))

CASES: dict[str, tuple[Rows, Proposed, dict[str, object] | None]] = {
    "plain": (A, Proposed(), None),
    "whole numbers": (np.round(3 * A), Proposed(integer=True), {"integer": True}),
    "whole numbers between bounds that are not": (
        np.clip(np.round(3 * A), 1, 6), Proposed(integer=True, low=0.5, high=6.5), {"low": 1.0, "high": 6.0},
    ),
    "an atom at a bound": (RAIN, Proposed(low=0.0, atoms=(Atom(0.0, 0.4),)), {"low": 0.0}),
    "a bound that some values reach": (np.abs(np.round(A, 1)), Proposed(low=0.0), {"low": 0.0}),
    "two values alone": (
        np.where(A > 0, 0.25, -3.0), Proposed(atoms=(Atom(-3.0, 0.5), Atom(0.25, 0.5))), {"low": -3.0},
    ),
    "heavy tails": (A / DRAW.random(500) ** 3, Proposed(heavy=True), {}),
    "1e44": (3e44 * np.exp(A), Proposed(), {}),
    "1e-50": (1e-50 * A, Proposed(), {}),
    "a spread that overflows": (1e300 * A, Proposed(), {}),
    "atoms that float32 cannot hold": (1e40 * RAIN, Proposed(low=0.0, atoms=(Atom(0.0, 0.4),)), {"low": 0.0}),
    "whole numbers far from zero": (2.0**23 + np.round(A), Proposed(integer=True), {"integer": True}),
    "a spread of zero between the quartiles": (np.where(DRAW.random(500) < 0.9, 5.0, 1e40 * A), Proposed(), {}),
}  # fmt: skip


@pytest.mark.parametrize(("values", "proposed", "expected"), CASES.values(), ids=CASES.keys())
def test_a_kind_maps_the_rows_of_its_table_there_and_back(
    values: Rows, proposed: Proposed, expected: dict[str, object] | None
) -> None:
    kinds = manifest_kinds(["x"], [proposed], [values])
    if expected is None:
        assert kinds == {}
        return
    found = kinds["x"].model_dump()
    assert {key: found[key] for key in expected} == expected
    column_map = ColumnMap.of(["x"], kinds)
    y, _, is_supported = column_map.encode(values[:, None])
    assert is_supported.all()
    assert np.abs(y).max() < 1e6
    np.testing.assert_allclose(column_map.decode(y)[:, 0], values, rtol=1e-9, atol=1e-9 * np.abs(values).max())


def test_a_value_at_a_bound_has_its_place_there() -> None:
    values = np.abs(np.round(A, 1))
    kind = manifest_kinds(["x"], [Proposed(low=0.0)], [values])["x"]
    assert [atom.value for atom in kind.atoms] == [0.0]


def test_the_words_name_bounds_and_atoms() -> None:
    kinds = {"n": ColumnKind(integer=True, low=1.0, high=6.0), "x": ColumnKind(low=0.0)}
    assert words(["a", "n", "x"], kinds) == ("continuous", "whole number, from 1, to 6", "continuous, from 0")


BEYOND = {
    "too large": (1e307 * A, "from .* to .*e\\+307 in size, and a model takes .* from 1e-300 to 1e\\+300"),
    "too small": (5e-324 * np.round(1e3 * A), "a model takes numbers and spreads"),
    "without digits": (1e6 + 1e-9 * A, "differs from 1000000 by .* only"),
}


@pytest.mark.parametrize(("values", "words"), BEYOND.values(), ids=BEYOND.keys())
def test_a_column_that_no_model_can_hold_is_named(values: Rows, words: str) -> None:
    with pytest.raises(DataError, match=words):
        manifest_kinds(["x"], [Proposed()], [values])
