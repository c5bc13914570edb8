"""A model of a table with kinds of columns: its samples obey the kinds, and its log_prob is that of its rows."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import diffeo
from diffeo.bundle.read import read
from diffeo.cli.main import main
from diffeo.local.model import LocalModel
from tests.given.tables.kinds_of_tables import KINDS_TABLES, KindsTable


@pytest.fixture(scope="module", params=KINDS_TABLES.keys())
def fitted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[KindsTable, LocalModel]:
    table = KINDS_TABLES[request.param]
    folder = tmp_path_factory.mktemp("models")
    frame = pd.DataFrame(table.columns)
    options = {"name": "m", "models": folder, "steps": 40, "threads": 1, "quiet": True, **table.options}
    return table, diffeo.fit(frame, **options)  # type: ignore[arg-type]


Fitted = tuple[KindsTable, LocalModel]


def test_every_row_of_a_sample_may_come(fitted: Fitted) -> None:
    table, model = fitted
    rows = model.sample(5000, seed=3)
    assert np.all(table.holds(rows.astype(np.float64)))


def test_log_prob_of_a_sample_is_that_of_its_rows(fitted: Fitted) -> None:
    _, model = fitted
    rows, nats = model.sample_and_log_prob(500, seed=3)
    np.testing.assert_allclose(model.log_prob(rows), nats, rtol=1e-4, atol=2e-4)


def test_every_row_of_the_table_has_a_density(fitted: Fitted) -> None:
    table, model = fitted
    assert np.isfinite(model.log_prob(table.rows)).all()


def test_the_loss_is_that_of_the_rows_that_were_held_out(fitted: Fitted) -> None:
    _, model = fitted
    quality = model.manifest.quality
    assert quality is not None
    assert quality.held_out_rows == 60
    assert quality.model.rows_without_density == 0
    assert quality.model.nll == model.manifest.provenance.test_nll
    assert [baseline.name for baseline in quality.baselines] == ["gaussian", "mixture"]


def test_the_error_of_a_mass_is_measured_where_there_are_masses(fitted: Fitted) -> None:
    _, model = fitted
    manifest = model.manifest
    assert (manifest.mass_error is not None) == manifest.snaps
    if manifest.mass_error is not None:
        # Forty steps do not make the density flat in each interval.
        assert 0 <= manifest.mass_error.mean < 0.25
        assert manifest.mass_error.mean <= manifest.mass_error.p99 < 0.8


def test_the_masses_of_whole_numbers_sum_to_one(fitted: Fitted) -> None:
    table, model = fitted
    if not table.is_discrete:
        pytest.skip("the table has continuous columns")
    values = [np.unique(column) for column in table.columns.values()]
    rows = np.stack(np.meshgrid(*values, indexing="ij"), axis=-1).reshape(-1, len(values))
    mass = np.exp(model.log_prob(rows).astype(np.float64)).sum()
    assert mass == pytest.approx(1, abs=0.08)


def test_a_bundle_is_certified_again_in_the_units_of_its_graphs(
    fitted: Fitted, capsys: pytest.CaptureFixture[str]
) -> None:
    _, model = fitted
    folder = Path(model._origin[0])  # noqa: SLF001  (the folder of the bundle)
    assert main(["certify", str(folder), "--publish"]) == 0
    again = read(Path(capsys.readouterr().out.split()[-1]))
    assert again.files == read(folder).files
    assert again.manifest.quality == model.manifest.quality


def test_the_report_lies_beside_the_bundle(fitted: Fitted) -> None:
    table, model = fitted
    folder = Path(model._origin[0])  # noqa: SLF001  (as above)
    files = {file.name for file in folder.with_name(f"{folder.name}.report").iterdir()}
    plots = {"forward.png", "inverse.png"} if len(table.columns) == 2 else set()
    assert files == {"report.html", "loss.csv", "loss.png", "table.json"} | plots
