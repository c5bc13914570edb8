"""`diffeo inspect` prints a summary that fits a terminal; what an old bundle does not hold is left out."""

import json
import re
import shlex
from pathlib import Path

import pytest

from diffeo.bundle.read import read
from diffeo.cli import main, summary
from diffeo.cli.inspect_bundle import REPORT
from tests.given.flows import affine
from tests.given.quality.report_contents import normal


@pytest.fixture
def content() -> dict[str, object]:
    """The metadata of a bundle as JSON, with the quality of a model that is the law of its data."""
    manifest = read(affine.PATH).manifest.model_dump(mode="json")
    quality = normal(("height", "weight")).quality
    return {**manifest, "quality": json.loads(quality.model_dump_json())}


def test_the_summary_of_a_bundle_says_its_columns_loss_and_certificate(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["inspect", str(affine.PATH)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("affine2d, version 1: ")
    assert "columns     2: height, weight\n" in text
    assert "nats a row on 200 held-out rows" in text
    assert "6 of 6 checks of the graphs hold; parity " in text
    assert "torch 2.13.0" in text
    assert len(text.splitlines()) < 25


def test_the_summary_of_a_served_model_says_the_same_and_its_versions(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main.main(["inspect", str(affine.PATH)])
    local = capsys.readouterr().out.splitlines()
    assert main.main(["inspect", "affine2d", "--url", url]) == 0
    served = capsys.readouterr().out.splitlines()
    assert served[0] == f"affine2d, served at {url}"
    assert "version 1   ready" in served
    assert [line for line in local if line.startswith(("columns", "loss", "certificate", "fitted", "made by"))] == [
        line for line in served if line.startswith(("columns", "loss", "certificate", "fitted", "made by"))
    ]


def test_json_prints_the_whole_manifest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["inspect", str(affine.PATH), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == {"digest": read(affine.PATH).digest, **read(affine.PATH).manifest.model_dump(mode="json")}


def test_the_commands_to_type_next_run_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    affine.copy_to(tmp_path / "my models", "affine2d")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("height,weight\n1,-2\n")
    assert main.main(["inspect", "my models/affine2d/1"]) == 0
    _, _, commands = capsys.readouterr().out.partition("next:\n")
    found = [shlex.split(command) for command in commands.splitlines()]
    assert [words[1] for words in found] == ["sample", "log-prob", "serve", "inspect"]
    for words in found:
        if words[1] != "serve":
            assert main.main(words[1:]) == 0


def test_a_bundle_is_found_from_inside_its_folder(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(affine.PATH)
    assert main.main(["inspect", "."]) == 0
    assert capsys.readouterr().out.startswith("affine2d, version 1: .")


def test_the_summary_says_where_the_report_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = affine.copy_to(tmp_path, "affine2d")
    main.main(["inspect", str(bundle)])
    assert "report  " not in capsys.readouterr().out
    folder = bundle.with_name("1.report")
    folder.mkdir()
    main.main(["inspect", str(bundle)])
    assert f"report      {folder}\n" in capsys.readouterr().out
    (folder / REPORT).touch()
    main.main(["inspect", str(bundle)])
    assert f"report      {folder / REPORT}\n" in capsys.readouterr().out


def test_losses_stand_beside_those_of_the_baselines(content: dict[str, object]) -> None:
    lines = list(summary.lines(content))
    (start,) = [index for index, line in enumerate(lines) if line.startswith("loss")]
    assert "held-out rows" in lines[start]
    assert "one Gaussian; this model leads by" in lines[start + 1]
    assert re.search(r" for the best mixture, of \d+ Gaussians?; this model leads by ", lines[start + 2])
    assert "data        9 of 9 checks against the data hold" in lines


def test_a_check_that_fails_is_printed_with_its_advice(content: dict[str, object]) -> None:
    quality = content["quality"]
    assert isinstance(quality, dict)
    quality["findings"][1] |= {"matched": False, "sentence": "Columns: samples differ.", "advice": "Try more."}
    lines = list(summary.lines(content))
    start = lines.index("data        8 of 9 checks against the data hold")
    assert [line.strip() for line in lines[start + 1 : start + 3]] == ["Columns: samples differ.", "Try more."]


def test_kinds_of_columns_are_named() -> None:
    kinds: dict[str, object] = {"height": {"integer": True, "low": 0.0, "high": None, "atoms": []}}
    (line,) = summary.lines({"columns": ["height", "weight"], "kinds": kinds})
    assert line == "columns     2: height (integer, low 0), weight"


def test_a_table_of_many_columns_takes_one_line() -> None:
    (line,) = summary.lines({"columns": [f"c{index}" for index in range(200)]})
    assert line.endswith("c11 and 188 more")


def test_a_certificate_that_fails_names_the_failed_checks() -> None:
    checks = [
        {"name": "parity", "value": 1.0, "tolerance": 1e-4},
        {"name": "round_trip", "value": 0, "tolerance": 1e-3},
    ]
    assert summary.certificate({"checks": checks}) == "1 of 2 checks of the graphs hold; parity 1.0e+00"
