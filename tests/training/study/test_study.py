"""The study runs from end to end, uses its cache, and renders its page from its results."""

import re
from pathlib import Path

import pytest
from PIL.PngImagePlugin import PngImageFile

from diffeo.cli.main import main
from diffeo.training.errors import StudyError
from diffeo.training.study import curves, plots, report, results, study, workers
from diffeo.training.study.plan import Plan
from diffeo.training.study.populations import TABLES
from diffeo.training.study.study import Options

ROOT = Path(__file__).parents[3]
COMMITTED = ROOT / "docs/study"
PLOTS = ("layers", "determinant", "topology", "condition", "curves", "contact-sheet-moons", "contact-sheet-circles")


def options(folder: Path) -> Options:
    return Options(folder / "out", folder / "cache", None, ROOT / "models", workers=workers.cores(), quick=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a quick study: all steps of the full one, with one seed and tiny flows."""
    created = tmp_path_factory.mktemp("study")
    assert study.study(options(created)) == created / "out/README.md"
    return created


def test_every_file_that_the_page_links_to_is_written(folder: Path) -> None:
    text = (folder / "out/README.md").read_text()
    linked = set(re.findall(r"\(([a-z-]+\.png)\)", text))
    assert linked == {f"{name}.png" for name in PLOTS}
    assert all((folder / "out" / name).is_file() for name in (*linked, "results.csv", "curves.csv"))


def test_the_page_has_all_seven_claims_with_their_commands(folder: Path) -> None:
    text = (folder / "out/README.md").read_text()
    for number in range(1, 8):
        assert f"| `diffeo study --claim {number}` |" in text
        assert f"\n## {number}. " in text
    assert "{{" not in text
    assert "Undefined" not in text


def test_a_second_study_uses_the_cache_and_writes_identical_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a trial or probe ran again")

    monkeypatch.setattr(workers, "ProcessPoolExecutor", refuse)
    monkeypatch.setattr("diffeo.training.study.probes.laws", refuse)
    monkeypatch.setattr("diffeo.training.study.probes.served", refuse)
    before = {file.name: file.read_bytes() for file in (folder / "out").iterdir()}
    study.study(options(folder))
    assert {file.name: file.read_bytes() for file in (folder / "out").iterdir()} == before


@pytest.mark.parametrize("number", range(1, 8))
def test_one_claim_is_judged_from_the_cache(folder: Path, number: int) -> None:
    text = study.judge(number, options(folder))
    assert text.startswith(f"{number}. {report.JUDGES[number](_results(folder)).statement}")


def test_an_unknown_claim_is_an_error(folder: Path) -> None:
    with pytest.raises(StudyError, match="no claim 8"):
        study.judge(8, options(folder))


def test_the_command_line_lists_the_claims_in_its_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "--quick", "--claim", "0"]) == 1
    assert "the claims are 1 to 7" in capsys.readouterr().err


def test_a_full_study_without_tables_and_without_their_rows_is_an_error(tmp_path: Path) -> None:
    plan = Plan(quick=False)
    absent = {trial.id for trial in plan.trials() if trial.data in TABLES}
    with pytest.raises(StudyError, match="48 trials on magic"):
        study._kept(plan, tmp_path / "results.csv", absent)  # noqa: SLF001  (study.study would fit for forty minutes)


def test_a_study_without_tables_keeps_their_committed_rows() -> None:
    plan = Plan(quick=False)
    absent = {trial.id for trial in plan.trials() if trial.data in TABLES}
    kept = study._kept(plan, COMMITTED / "results.csv", absent)  # noqa: SLF001  (as above)
    assert {row.settings["id"] for row in kept} == absent


def test_the_committed_page_is_rendered_from_the_committed_results() -> None:
    found = results.from_csv((COMMITTED / "results.csv").read_text())
    page = report.readme(found, study.served(ROOT / "models"))
    assert (COMMITTED / "README.md").read_text() == page, "render it again with: diffeo study --report"


def test_the_committed_results_have_every_trial_of_the_plan() -> None:
    found = results.from_csv((COMMITTED / "results.csv").read_text())
    trials = {trial.id for trial in Plan(quick=False).trials()}
    assert trials <= {row.settings["id"] for row in found}
    assert trials == set(curves.from_csv((COMMITTED / "curves.csv").read_text()))


@pytest.mark.parametrize("name", PLOTS)
def test_every_committed_plot_was_drawn_from_the_committed_results(name: str) -> None:
    digest = plots.digest((COMMITTED / "results.csv").read_text())
    with PngImageFile(COMMITTED / f"{name}.png") as plot:
        assert plot.text[plots.RESULTS_KEY] == digest


def _results(folder: Path) -> results.Results:
    return results.from_csv((folder / "out/results.csv").read_text())
