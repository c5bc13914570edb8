"""The commands that an interrupted fit prints are the typed command with the missing flags, quoted for a shell."""

import shlex

import pytest

from diffeo.cli import fit
from diffeo.cli.main import main

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
