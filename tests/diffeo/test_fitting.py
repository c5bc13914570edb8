"""`diffeo.fit` takes a frame, an array or files, opens what it published, and a model is kept by `publish`."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import diffeo
from diffeo.errors import TableError
from diffeo.local.model import open_model
from diffeo.training.errors import DataError, RecipeError

ROWS = np.random.default_rng(2).normal([1.0, -2.0], [2.0, 0.5], size=(300, 2))
TABLES = {
    "an array": (ROWS, ("x0", "x1")),
    "a list": (ROWS.tolist(), ("x0", "x1")),
    "a frame of pandas": (pd.DataFrame(ROWS, columns=["a", "b"]), ("a", "b")),
    "a frame of polars": (pl.DataFrame(ROWS, schema=["a", "b"]), ("a", "b")),
}


@pytest.mark.parametrize(("table", "columns"), TABLES.values(), ids=TABLES.keys())
def test_a_table_in_memory_becomes_a_model_of_its_columns(table: object, columns: tuple[str, ...]) -> None:
    model = diffeo.fit(table, steps=5, threads=1, quiet=True)  # type: ignore[arg-type]
    assert model.columns == columns
    assert model.log_prob(ROWS).mean() == pytest.approx(-0.5 * np.log(2 * np.pi * np.e) * 2, abs=0.15)


def test_a_fit_from_python_is_that_of_the_command(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    pd.DataFrame(ROWS, columns=["a", "b"]).to_csv(path, index=False)
    options = {"steps": 5, "threads": 1, "quiet": True}
    of_file, of_frame = (diffeo.fit(each, **options) for each in (path, pd.read_csv(path)))  # type: ignore[arg-type]
    np.testing.assert_array_equal(of_file.sample(50, seed=1), of_frame.sample(50, seed=1))


def test_options_choose_rows_and_columns() -> None:
    frame = pd.DataFrame({"a": ROWS[:, 0], "b": ROWS[:, 1], "c": np.nan, "w": 1.0, "share": 0.5 + 0 * ROWS[:, 0]})
    frame["share"] = 1 / (1 + np.exp(-ROWS[:, 0]))
    model = diffeo.fit(
        frame, columns=["share", "b"], weights="w", bounds={"share": (0, 1)}, steps=5, threads=1, quiet=True
    )
    assert model.columns == ("share", "b")
    assert model.manifest.kinds["share"].high == 1.0


def test_publish_keeps_a_model_with_its_report(tmp_path: Path) -> None:
    model = diffeo.fit(ROWS, name="mine", steps=5, threads=1, quiet=True)
    first = model.publish(tmp_path)
    assert model.publish(str(tmp_path), "other") == tmp_path / "other" / "1"
    assert first == tmp_path / "mine" / "1"
    assert (tmp_path / "mine" / "1.report" / "report.html").exists()
    kept = open_model(tmp_path, "mine", None)
    np.testing.assert_array_equal(kept.sample(20, seed=1), model.sample(20, seed=1))


def test_a_quiet_fit_prints_nothing_and_another_one_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    diffeo.fit(ROWS, steps=5, threads=1, quiet=True)
    assert capsys.readouterr() == ("", "")
    diffeo.fit(ROWS, steps=5, threads=1)
    assert "the array: 300 rows, 2 columns" in capsys.readouterr().err


def test_what_cannot_be_fitted_is_said_before_the_fit() -> None:
    with pytest.raises(DataError, match=r"(?s)cannot be fitted as it is.*'b' equals 'a'"):
        diffeo.fit(pd.DataFrame({"a": ROWS[:, 0], "b": ROWS[:, 0]}))
    with pytest.raises(TableError, match=r"nothing\.csv"):
        diffeo.fit("nothing.csv")
    with pytest.raises(RecipeError, match="each set the length"):
        diffeo.fit(ROWS, steps=5, budget="1m")
