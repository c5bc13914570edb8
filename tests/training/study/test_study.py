"""The study runs from end to end, keeps what it has, and its page is what its results say."""

import re
from pathlib import Path

import pytest
from PIL import Image

from diffeo.cli.main import main
from diffeo.training.errors import StudyError
from diffeo.training.study import figures, report, results, study, workers
from diffeo.training.study.populations import TABLES
from diffeo.training.study.study import Options

ROOT = Path(__file__).parents[3]
COMMITTED = ROOT / "docs/study"
CHARTS = ("layers", "determinant", "topology", "condition", "curves", "sheet-moons", "sheet-circles")


def options(folder: Path) -> Options:
    return Options(folder / "out", folder / "cache", None, ROOT / "models", workers=workers.cores(), quick=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A quick study, run once: every path of the full one with one seed and tiny flows."""
    folder = tmp_path_factory.mktemp("study")
    assert study.study(options(folder)) == folder / "out/README.md"
    return folder


def test_everything_that_the_page_points_to_is_written(place: Path) -> None:
    text = (place / "out/README.md").read_text()
    pictures = set(re.findall(r"\(([a-z-]+\.png)\)", text))
    assert pictures == {f"{name}.png" for name in CHARTS}
    assert all((place / "out" / name).is_file() for name in (*pictures, "results.csv", "curves.csv"))


def test_the_page_judges_all_seven_claims_with_a_command_each(place: Path) -> None:
    text = (place / "out/README.md").read_text()
    for number in range(1, 8):
        assert f"| `diffeo study --claim {number}` |" in text
        assert f"\n## {number}. " in text
    assert "{{" not in text
    assert "Undefined" not in text


def test_a_second_study_runs_nothing_and_writes_the_same(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("something was run again")

    monkeypatch.setattr(workers, "ProcessPoolExecutor", refuse)
    monkeypatch.setattr("diffeo.training.study.probes.laws", refuse)
    monkeypatch.setattr("diffeo.training.study.probes.served", refuse)
    before = {file.name: file.read_bytes() for file in (place / "out").iterdir()}
    study.study(options(place))
    assert {file.name: file.read_bytes() for file in (place / "out").iterdir()} == before


@pytest.mark.parametrize("number", range(1, 8))
def test_one_claim_is_judged_from_what_is_kept(place: Path, number: int) -> None:
    said = study.judge(number, options(place))
    assert said.startswith(f"{number}. {report.JUDGES[number](_found(place)).said}")


def test_a_claim_that_there_is_not_is_refused(place: Path) -> None:
    with pytest.raises(StudyError, match="no claim 8"):
        study.judge(8, options(place))


def test_the_shell_says_which_claims_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "--quick", "--claim", "0"]) == 1
    assert "the claims are 1 to 7" in capsys.readouterr().err


def test_without_tables_and_without_their_rows_a_full_study_is_refused(tmp_path: Path) -> None:
    plan = study.Plan(quick=False)
    absent = {trial.id for trial in plan.trials() if trial.data in TABLES}
    with pytest.raises(StudyError, match="48 trials on magic"):
        study._kept(plan, tmp_path / "results.csv", absent)  # noqa: SLF001  (the rest would fit for forty minutes)


def test_without_tables_their_committed_rows_are_kept() -> None:
    plan = study.Plan(quick=False)
    absent = {trial.id for trial in plan.trials() if trial.data in TABLES}
    kept = study._kept(plan, COMMITTED / "results.csv", absent)  # noqa: SLF001  (as above)
    assert {row.settings["id"] for row in kept} == absent


def test_the_committed_page_is_what_its_results_say() -> None:
    found = results.from_csv((COMMITTED / "results.csv").read_text())
    page = report.readme(found, study.served(ROOT / "models"))
    assert (COMMITTED / "README.md").read_text() == page, "write it again with: diffeo study --report"


def test_the_committed_results_hold_every_trial_of_the_plan() -> None:
    found = results.from_csv((COMMITTED / "results.csv").read_text())
    trials = {trial.id for trial in study.Plan(quick=False).trials()}
    assert trials <= {row.settings["id"] for row in found}
    assert trials == set(study.curves.from_csv((COMMITTED / "curves.csv").read_text()))


@pytest.mark.parametrize("name", CHARTS)
def test_every_committed_picture_was_drawn_from_the_committed_results(name: str) -> None:
    digest = figures.digest((COMMITTED / "results.csv").read_text())
    with Image.open(COMMITTED / f"{name}.png") as picture:
        assert picture.text[figures.RESULTS_KEY] == digest


def _found(place: Path) -> results.Results:
    return results.from_csv((place / "out/results.csv").read_text())
