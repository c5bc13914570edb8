"""An expected error is one sentence and exit code 1, a wrong command line is 2, and a bug is a traceback."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from diffeo.cli import main
from tests.given.flows import affine
from tests.given.servers.server_process import DIFFEO, free_port

LOCAL = ["--model", "affine2d", "--models", str(affine.DATA)]
ERRORS: dict[str, tuple[list[str], str]] = {
    "no such model": (["sample", "--model", "moons", *LOCAL[2:]], "no model 'moons' in "),
    "no such repository": (["sample", *LOCAL[:2], "--models", "nowhere"], "no model 'affine2d' in nowhere"),
    "no such version": (["sample", *LOCAL, "--version", "9"], "no bundle at "),
    "version 0": (["sample", *LOCAL, "--version", "0"], "no bundle at "),
    "a folder without a bundle": (["inspect", "."], "manifest.json is missing"),
    "no folder of a bundle": (["inspect", "moons"], "expected a folder models/NAME/VERSION"),
    "no such file": (["log-prob", "absent.csv", *LOCAL], "no file absent.csv"),
    "a file of another kind": (
        ["log-prob", "notes.txt", *LOCAL],
        "notes.txt: the table has rows; the model takes height, weight",
    ),
    "a pattern and no folder": (["log-prob", "*.parquet", *LOCAL], "name a folder as --out"),
    "a delimiter that is not known": (
        ["log-prob", "rows.csv", *LOCAL, "--delimiter", "x"],
        "--delimiter is 'x'; expected comma",
    ),
    "several files and no folder": (["log-prob", "a.csv", "b.csv", *LOCAL], "several files go into a folder"),
    "a precision and no folder": (["sample", *LOCAL, "--precision", "int8"], "--precision can be used only if --out"),
    "columns to keep and no folder": (
        ["log-prob", "wide.csv", *LOCAL, "--keep", "a", "--format", "csv", "--workers", "2"],
        "--keep, --format, --workers can be used only if --out names a folder",
    ),
    "a ragged file": (["log-prob", "ragged.csv", *LOCAL], "ragged.csv: line 2: cells found: 1; expected 2"),
    "too many columns": (["log-prob", "wide.csv", *LOCAL], "the model takes height, weight; missing: height, weight"),
    "a missing output folder": (
        ["sample", *LOCAL, "--out", "nowhere/out.csv"],
        "nowhere/out.csv cannot be written: No such",
    ),
    "an output of another kind": (["sample", *LOCAL, "--out", "out.parquet"], "rows are written to .csv or .npy"),
    "a negative seed": (["sample", *LOCAL, "--seed", "-1"], "seed must be a whole number from 0 to "),
    "a negative start": (["sample", *LOCAL, "--start", "-1"], "start must be a whole number from 0 to "),
    "temperature 0": (["sample", *LOCAL, "--temperature", "0"], "temperature must be a number above 0, at most 10"),
    "no address": (["sample", "--model", "m", "--url", "localhost"], "no service answers at localhost: "),
    "half an address": (["inspect", "m", "--url", "http://[::1"], "is not an address"),
    "a port out of range": (["serve", "--port", "65536"], "DIFFEO_PORT: "),
    "no models to serve": (["serve", "--models", "."], ". holds no bundle; expected ./NAME/VERSION/manifest.json"),
    "a name that no model can have": (["fit", "wide.csv", "--name", "../a"], "--name ../a: "),
    "a table without a name": (["fit", "rows.csv"], "a table needs a name for its model: --name NAME"),
}


@pytest.mark.parametrize(("command", "words"), ERRORS.values(), ids=ERRORS.keys())
def test_an_expected_error_is_one_sentence_and_exit_code_1(
    command: list[str], words: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "notes.txt").write_text("rows")
    (folder / "ragged.csv").write_text("1,2\n3\n")
    (folder / "wide.csv").write_text("a,b,c\n1,2,3\n")
    assert main.main(command) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"diffeo {command[0]}: ")
    assert words in captured.err
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--version", "9"], "affine2d has no version 9; it has 1"),
        (["--seed", "-1"], "seed must be a whole number from 0 to "),
        (["--temperature", "0"], "temperature must be a number above 0, at most 10"),
        (["--start", "9007199254740991"], "start must be a whole number from 0 to "),
    ],
)
def test_a_server_refuses_the_parameters_that_a_bundle_refuses(
    more: list[str], words: str, remote: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["sample", *remote, *more]) == 1
    assert words in capsys.readouterr().err.splitlines()[-1]


def test_an_address_without_a_service_is_an_expected_error(capsys: pytest.CaptureFixture[str]) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    assert main.main(["sample", "--model", "m", "--url", address]) == 1
    assert capsys.readouterr().err.startswith(f"diffeo sample: no service answers at {address}: ")


@pytest.mark.parametrize(
    "command",
    [[], ["shout"], ["sample"], ["sample", *LOCAL, "-n", "0"], ["sample", *LOCAL, "-n", "1.5"], ["transform", *LOCAL],
     ["sample", *LOCAL, "-n", "inf"], ["sample", *LOCAL, "-n", "many"], ["sample", *LOCAL, "--return", "y"],
     ["serve", "--engine", "tensorflow"]],
    ids=" ".join,
)  # fmt: skip
def test_a_wrong_command_line_is_exit_code_2_and_usage(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main.main(command)
    assert end.value.code == 2
    assert "usage: diffeo" in capsys.readouterr().err


def test_an_interrupt_is_exit_code_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("diffeo.local.model.open_model", interrupt)
    assert main.main(["sample", *LOCAL]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_an_unexpected_error_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("diffeo.local.model.open_model", fail)
    with pytest.raises(ZeroDivisionError):
        main.main(["sample", *LOCAL])


def run(command: list[str], interact: Callable[[subprocess.Popen[str]], object]) -> tuple[int, str]:
    """Run a command in its own process; its exit code and standard error."""
    # Output is buffered, as in a user's shell.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        interact(process)
        errors = process.stderr.read() if process.stderr else ""
    return process.returncode, errors


def close_standard_output(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    process.stdout.close()


@pytest.mark.parametrize("count", ["3", "100000"])
def test_a_reader_that_closes_the_pipe_early_causes_no_error(count: str) -> None:
    command = [DIFFEO, "sample", *LOCAL, "-n", count, "--seed", "1"]
    assert run(command, close_standard_output) == (0, "")


@pytest.mark.parametrize(
    ("package", "extra", "command"),
    [
        ("scipy", "local", ["sample", *LOCAL]),
        ("ray", "ray", ["serve", "--ray"]),
        ("pydantic_settings", "serve", ["serve", "--help"]),
    ],
)
def test_an_installation_without_an_extra_names_what_to_install(package: str, extra: str, command: list[str]) -> None:
    program = (
        f"import sys; sys.modules[{package!r}] = None; from diffeo.cli.main import main; sys.exit(main({command}))"
    )
    code, errors = run([sys.executable, "-c", program], lambda process: process.wait())
    assert (code, errors) == (1, f"diffeo {command[0]}: needs {package}; pip install 'diffeo[{extra}]'\n")
