"""Each table of one list gives the same numbers, or the same error, at every entry point of diffeo."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from diffeo.errors import DiffeoError
from tests.given.flows import affine
from tests.given.servers.asgi_app import App
from tests.given.tables import entry_points
from tests.given.tables.cases import COLUMNS, LINES, Case, Refused, Rows
from tests.given.tables.cells import CELLS, TYPES
from tests.given.tables.entry_points import Fixtures, TableRefused

CASES: Final[Mapping[str, Case]] = {**COLUMNS, **LINES, **CELLS, **TYPES}
JSON: Final = ("HTTP JSON", "HTTP ndjson")
NPY: Final = ("shell npy", "job npy")
POLARS: Final = ("client polars", "local polars")
SKLEARN: Final = ("scikit-learn pandas", "scikit-learn array")

NOT_IN_JSON: Final = "JSON has no such type"
NO_PICKLE: Final = "an array of objects is saved as a pickle, which is never read"
# Entry points whose format cannot express a table, with the reason.
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
EXCLUDED: Final = {(entry_point, case) for group, case in LEFT_OUT for entry_point in group}
# scikit-learn's check of estimators requires that an outlier detector refuses a value that is missing or not finite.
# Where a person names a file, the dialect of a text is found.
FILES: Final = ("shell csv", "job csv")
SKLEARN_REFUSES: Final = ("NaN", "infinity")

PAIRS: Final = [
    (entry_point, name)
    for name, case in CASES.items()
    for forms, given in (
        (entry_points.CSV, case.csv),
        (entry_points.COLUMNS, case.columns),
        (entry_points.ARRAYS, case.array),
    )
    if given is not None
    for entry_point in forms
    if (entry_point, name) not in EXCLUDED
]


def answer(entry_point: str, case: Case, fixtures: Fixtures) -> np.ndarray | str:
    """The log densities from an entry point, or the sentence with which it refuses the table."""
    try:
        if entry_point in entry_points.CSV:
            assert case.csv is not None
            return entry_points.CSV[entry_point](fixtures, case.csv)
        if entry_point in entry_points.COLUMNS:
            assert case.columns is not None
            return entry_points.COLUMNS[entry_point](fixtures, case.columns)
        return entry_points.ARRAYS[entry_point](fixtures, case.array)
    except (TableRefused, DiffeoError, ValueError, TypeError) as error:
        return str(error)


@pytest.mark.parametrize(("entry_point", "name"), PAIRS, ids=[f"{name}: {entry_point}" for entry_point, name in PAIRS])
def test_a_table_has_the_expected_result_at_every_entry_point(
    entry_point: str, name: str, app: App, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = CASES[name]
    found = answer(entry_point, case, Fixtures(app, tmp_path, capsys))
    expected = case.in_files if entry_point in FILES and case.in_files is not None else case.expected
    if isinstance(expected, Refused):
        assert isinstance(found, str), found
        assert all(word in found for word in expected.words), found
        assert len(found) < 400
    elif entry_point in SKLEARN and isinstance(found, str):
        assert any(word in found for word in SKLEARN_REFUSES), found
        assert np.isnan(np.array(expected.rows)).any()
    else:
        assert not isinstance(found, str), found
        np.testing.assert_allclose(found, log_densities(expected), rtol=1e-5)


def log_densities(table: Rows) -> np.ndarray:
    return affine.log_prob(np.array(table.rows, dtype=np.float64).reshape(-1, 2))


def test_every_table_has_a_form_and_a_reason_for_each_form_that_is_left_out() -> None:
    assert len(CASES) >= 25
    for name, case in CASES.items():
        forms = [case.csv, case.columns, case.array]
        assert any(form is not None for form in forms), name
        assert bool(case.only) == any(form is None for form in forms), name
    assert {case for _, case in LEFT_OUT} <= CASES.keys()
