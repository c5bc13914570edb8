"""One list of tables goes through every door to a model, and each table gets the same verdict and the same numbers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from diffeo.errors import DiffeoError
from tests.given.flows import affine
from tests.given.servers.asgi_app import App
from tests.given.tables import doors
from tests.given.tables.cases import COLUMNS, LINES, Case, Refused, Rows
from tests.given.tables.cells import CELLS, TYPES
from tests.given.tables.doors import DoorRefuses, Place

CASES: Final[Mapping[str, Case]] = {**COLUMNS, **LINES, **CELLS, **TYPES}
JSON: Final = ("HTTP JSON", "HTTP ndjson")
NPY: Final = ("shell npy", "job npy")
POLARS: Final = ("client polars", "local polars")
SKLEARN: Final = ("scikit-learn pandas", "scikit-learn array")

NOT_IN_JSON: Final = "JSON has no such type"
NO_PICKLE: Final = "an array of objects is saved as a pickle, which is never read"
# Doors whose format cannot express a table, and why.
LEFT_OUT: Final[Mapping[tuple[tuple[str, ...], str], str]] = {
    (POLARS, "a needed name twice"): "a frame of polars has each name once",
    (POLARS, "another name twice"): "a frame of polars has each name once",
    (SKLEARN, "another name twice"): "scikit-learn demands distinct names",
    (SKLEARN, "names alone"): "scikit-learn demands one row at least",
    (JSON, "numbers that are not finite"): "JSON has no infinity",
    (JSON, "an array of dates"): NOT_IN_JSON,
    (JSON, "an array of time differences"): NOT_IN_JSON,
    (JSON, "an array of bytes"): NOT_IN_JSON,
    (JSON, "an array of complex numbers"): NOT_IN_JSON,
    (JSON, "records with the names of the model"): "a row in JSON is a list, without names",
    (JSON, "records with other names"): "a row in JSON is a list, without names",
    (NPY, "a masked array"): "a .npy file has no mask",
    (NPY, "objects that are numbers"): NO_PICKLE,
    (NPY, "objects that are no numbers"): NO_PICKLE,
    (POLARS, "a frame of objects"): "polars makes numbers of such objects, or columns that it cannot read back",
}
EXCLUDED: Final = {(door, case) for group, case in LEFT_OUT for door in group}
# scikit-learn's own check of estimators demands that an outlier detector refuses what is missing or not finite.
SKLEARN_REFUSES: Final = ("NaN", "infinity")

PAIRS: Final = [
    (door, name)
    for name, case in CASES.items()
    for forms, given in ((doors.CSV, case.csv), (doors.COLUMNS, case.columns), (doors.ARRAYS, case.array))
    if given is not None
    for door in forms
    if (door, name) not in EXCLUDED
]


def answer(door: str, case: Case, place: Place) -> np.ndarray | str:
    """The log densities that a door gives, or the sentence with which it refuses the table."""
    try:
        if door in doors.CSV:
            assert case.csv is not None
            return doors.CSV[door](place, case.csv)
        if door in doors.COLUMNS:
            assert case.columns is not None
            return doors.COLUMNS[door](place, case.columns)
        return doors.ARRAYS[door](place, case.array)
    except (DoorRefuses, DiffeoError, ValueError, TypeError) as error:
        return str(error)


@pytest.mark.parametrize(("door", "name"), PAIRS, ids=[f"{name}: {door}" for door, name in PAIRS])
def test_a_table_gets_its_verdict_at_every_door(
    door: str, name: str, app: App, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = CASES[name]
    found = answer(door, case, Place(app, tmp_path, capsys))
    if isinstance(case.verdict, Refused):
        assert isinstance(found, str), found
        assert all(word in found for word in case.verdict.words), found
        assert len(found) < 400
    elif door in SKLEARN and isinstance(found, str):
        assert any(word in found for word in SKLEARN_REFUSES), found
        assert np.isnan(np.array(case.verdict.rows)).any()
    else:
        assert not isinstance(found, str), found
        np.testing.assert_allclose(found, expected(case.verdict), rtol=1e-5)


def expected(verdict: Rows) -> np.ndarray:
    return affine.log_prob(np.array(verdict.rows, dtype=np.float64).reshape(-1, 2))


def test_the_list_holds_tables_of_every_form_and_says_why_a_form_is_left_out() -> None:
    assert len(CASES) >= 25
    for name, case in CASES.items():
        forms = [case.csv, case.columns, case.array]
        assert any(form is not None for form in forms), name
        assert bool(case.only) == any(form is None for form in forms), name
    assert {case for _, case in LEFT_OUT} <= CASES.keys()
