"""The commands that an interrupted fit prints are the typed command with the missing flags, quoted for a shell."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from diffeo.cli import fit
from diffeo.cli.main import main
from tests.given.tables.reader_files import READER_FILES, ReaderFile

CASES = {
    "a flag is added": (["fit", "a.csv", "--name", "a"], "diffeo fit a.csv --name a --resume"),
    "a flag is not repeated": (["fit", "a.csv", "--resume", "--name=a"], "diffeo fit a.csv --name=a --resume"),
    "spaces are quoted": (["fit", "my data.csv", "--name", "a"], "diffeo fit 'my data.csv' --name a --resume"),
    "flags stand before --": (["fit", "--name", "a", "--", "-a.csv"], "diffeo fit --name a --resume -- -a.csv"),
}


@pytest.mark.parametrize(("arguments", "command"), CASES.values(), ids=CASES.keys())
def test_the_command_is_the_typed_one_with_the_flags(arguments: list[str], command: str) -> None:
    said = fit._how_to_continue("interrupted", arguments, has_best=False)  # noqa: SLF001  (the wiring is tested in test_run)
    assert said == f"interrupted\nto continue: {command}"
    assert shlex.split(command)


@pytest.mark.parametrize("threads", ["0", "-1", "two"])
def test_a_wrong_number_of_threads_is_a_wrong_command_line(threads: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["fit", "a.csv", "--name", "a", f"--threads={threads}"])
    assert end.value.code == 2
    assert "--threads" in capsys.readouterr().err


def test_a_budget_without_a_unit_is_refused_with_the_forms_to_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "a.csv", "--name", "a", "--budget", "90"]) == 1
    assert capsys.readouterr().err == "diffeo fit: --budget: '90' is not a span of time; write it as 90s, 2m or 1h30m\n"


AS_TYPED = {name: case for name, case in READER_FILES.items() if not case.options and not case.choices}


@pytest.mark.parametrize("case", AS_TYPED.values(), ids=AS_TYPED.keys())
def test_a_dry_run_shows_the_table_and_its_exit_code_is_the_verdict(
    case: ReaderFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / case.name).write_bytes(case.content)
    code = main(["fit", str(tmp_path / case.name), "--dry-run"])
    printed = capsys.readouterr()
    assert code == (0 if case.verdict == "fits" else 1)
    said = " ".join((printed.err if case.verdict == "refused" else printed.out).split())
    assert [word for word in case.words if " ".join(word.split()) not in said] == [], said


def test_every_option_that_a_look_names_is_an_option_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["fit", "--help"])
    options = set(re.findall(r"--[a-z][a-z-]*", capsys.readouterr().out))
    named = "--columns --drop --missing --missing-values --weights --bounds --integers --min-rows --max-rows --header"
    assert set(named.split()) | {"--no-header", "--delimiter", "--decimal", "--encoding", "--dry-run"} <= options


OPTIONS = {
    "columns": (["--columns", "a,b"], 0, "c out: not in --columns"),
    "drop": (["--drop", "c"], 0, "c out: --drop"),
    "bounds": (["--bounds", "a=-9:9", "--drop", "c"], 0, "a continuous -9:9"),
    "wrong bounds": (["--bounds", "a=9:-9"], 1, "whose low bound is not below the high one"),
    "a wrong delimiter": (["--delimiter", "x"], 1, "--delimiter is 'x'; expected comma, semicolon, tab or bar"),
    "fewest rows": (["--min-rows", "900", "--drop", "c"], 1, "600 rows are left, fewer than 900"),
    "a sample": (["--max-rows", "100", "--drop", "c"], 0, "100 of 600 rows are used"),
    "weights": (["--weights", "c"], 0, "c out: weights"),
    "no such column": (["--drop", "d"], 1, "--drop names 'd'"),
}


@pytest.mark.parametrize(("arguments", "code", "words"), OPTIONS.values(), ids=OPTIONS.keys())
def test_an_option_of_the_table_does_what_it_says(
    arguments: list[str], code: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = np.random.default_rng(0).normal(size=(600, 3))
    rows[:, 2] = np.abs(rows[:, 2])
    np.savetxt(tmp_path / "rows.csv", rows, delimiter=",", header="a,b,c", comments="")
    assert main(["fit", str(tmp_path / "rows.csv"), "--dry-run", *arguments]) == code
    printed = capsys.readouterr()
    assert words in " ".join((printed.out + printed.err).split())


def test_the_files_of_a_pattern_are_one_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "two"):
        np.savetxt(
            tmp_path / f"{name}.csv",
            np.random.default_rng(0).normal(size=(60, 2)),
            delimiter=",",
            header="a,b",
            comments="",
        )
    assert main(["fit", str(tmp_path / "*.csv"), "--dry-run"]) == 0
    assert "120 rows" in capsys.readouterr().out


def test_a_recipe_that_draws_its_rows_has_no_table_to_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "training/recipes/moons.toml", "--dry-run"]) == 1
    assert "moons draws its rows and reads no table" in capsys.readouterr().err
