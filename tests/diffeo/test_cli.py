"""`diffeo` gives the same bytes from a server and from a bundle; a refusal is one sentence and exit code 1."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from diffeo.bundle import base
from diffeo.cli import main
from tests.given.flows import affine
from tests.given.servers.server_process import DIFFEO, free_port

LOCAL = ["--model", "affine2d", "--models", str(affine.DATA)]
ROWS = "weight,id,height\n-2,7,1\n2,8,3\n,9,0\n"


@pytest.fixture
def remote(url: str) -> list[str]:
    return ["--model", "affine2d", "--url", url]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with rows.csv, rows.npy and latent.csv in it."""
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(ROWS)
    np.save("rows.npy", np.array([[1, -2], [3, 2], [np.nan, 0]], np.float32))
    Path("latent.csv").write_text("z0,z1\n0,0\n1,1\n")
    return tmp_path


COMMANDS: dict[str, list[str]] = {
    "x": ["sample", "-n", "5", "--seed", "7"],
    "every part": ["sample", "-n", "5", "--seed", "7", "--start", "3", "--parts", "z", "log_prob", "x"],
    "tempered": ["sample", "--seed", "7", "--temperature", "0.5", "--parts", "log_prob"],
    "version 1": ["sample", "--seed", "7", "--version", "1"],
    "log_prob of csv": ["log-prob", "rows.csv"],
    "log_prob of npy": ["log-prob", "rows.npy"],
    "forward": ["transform", "rows.csv", "--direction", "forward"],
    "inverse": ["transform", "latent.csv", "--direction", "inverse"],
}


@pytest.mark.parametrize("suffix", [None, ".csv", ".npy"])
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_a_server_and_a_bundle_give_the_same_bytes(
    command: list[str], suffix: str | None, here: Path, remote: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    answers = []
    for source in (LOCAL, remote):
        out = [] if suffix is None else ["--out", f"out{suffix}"]
        assert main.main([*command, *source, *out]) == 0
        told = capsys.readouterr()
        assert told.err == ""
        answers.append(told.out.encode() if suffix is None else (here / f"out{suffix}").read_bytes())
        assert (told.out == "") == (suffix is not None)
    assert answers[0] == answers[1]
    assert len(answers[0]) > 20


@pytest.mark.usefixtures("here")
def test_the_numbers_are_those_known_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    def run(*command: str) -> np.ndarray:
        assert main.main([*command, *LOCAL]) == 0
        return np.genfromtxt(io.StringIO(capsys.readouterr().out), delimiter=",", names=True, missing_values="")

    sample = run("sample", "-n", "4", "--seed", "7")
    np.testing.assert_allclose(np.stack([sample["height"], sample["weight"]], 1), affine.inverse(base.draw(7, 0, 4, 2)))
    forward = run("transform", "rows.csv", "--direction", "forward")
    assert forward.dtype.names == ("z0", "z1", "log_abs_det_jacobian")
    np.testing.assert_allclose(forward["z0"], [0, 1, np.nan])
    np.testing.assert_allclose(forward["log_abs_det_jacobian"][:2], [affine.LADJ] * 2, rtol=1e-6)
    inverse = run("transform", "latent.csv", "--direction", "inverse")
    np.testing.assert_allclose(inverse["weight"], [-2, 2])


def test_log_prob_takes_columns_by_name_and_leaves_a_gap_for_a_row_without_numbers(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["log-prob", "rows.csv", *LOCAL]) == 0
    header, first, second, third = capsys.readouterr().out.splitlines()
    assert (header, third) == ("log_prob", '""')
    np.testing.assert_allclose([float(first), float(second)], affine.log_prob([[1, -2], [3, 2]]), rtol=1e-6)
    assert here.exists()


def test_a_table_of_names_alone_is_answered_with_names_alone(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "empty.csv").write_text("height,weight\n")
    assert main.main(["log-prob", "empty.csv", *LOCAL]) == 0
    assert capsys.readouterr().out == "log_prob\n"


@pytest.mark.usefixtures("here")
def test_rows_come_through_a_pipe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    main.main(["log-prob", "rows.csv", *LOCAL])
    expected = capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.StringIO(ROWS))
    assert main.main(["log-prob", "-", *LOCAL]) == 0
    assert capsys.readouterr().out == expected


def test_a_sample_without_a_seed_tells_the_one_that_draws_it_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["sample", *LOCAL]) == 0
    first = capsys.readouterr()
    assert main.main(["sample", *LOCAL, "--seed", first.err.split()[1]]) == 0
    assert capsys.readouterr().out == first.out


def test_a_sample_is_asked_for_in_pages(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["sample", "-n", "1e2", "--seed", "7", *LOCAL]
    main.main(command)
    whole = capsys.readouterr().out
    monkeypatch.setattr("diffeo.cli.commands.PAGE_ROWS", 7)
    main.main(command)
    assert capsys.readouterr().out == whole
    assert len(whole.splitlines()) == 101


def test_inspect_shows_the_same_certificate_from_both(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for command in (["inspect", str(affine.PATH)], ["inspect", "affine2d", "--url", url]):
        assert main.main(command) == 0
        content = json.loads(capsys.readouterr().out)
        shown.append(content.get("newest", content))
    for name in ("digest", "columns", "dtype", "base", "certificate", "calibration", "provenance"):
        assert shown[0][name] == shown[1][name]


REFUSED: dict[str, tuple[list[str], str]] = {
    "no such model": (["sample", "--model", "moons", *LOCAL[2:]], "no model 'moons' in "),
    "no such repository": (["sample", *LOCAL[:2], "--models", "nowhere"], "no model 'affine2d' in nowhere"),
    "no such version": (["sample", *LOCAL, "--version", "9"], "no bundle at "),
    "version 0": (["sample", *LOCAL, "--version", "0"], "no bundle at "),
    "a bundle that is none": (["inspect", "."], "manifest.json is missing"),
    "no such file": (["log-prob", "absent.csv", *LOCAL], "no file absent.csv"),
    "a file of another kind": (["log-prob", "notes.txt", *LOCAL], "rows are read from .csv or .npy"),
    "a ragged file": (["log-prob", "ragged.csv", *LOCAL], "ragged.csv: line 2: cells found: 1; expected 2"),
    "too many columns": (["log-prob", "wide.csv", *LOCAL], "the model takes height, weight; missing: height, weight"),
    "a file to nowhere": (["sample", *LOCAL, "--out", "nowhere/out.csv"], "nowhere/out.csv cannot be written: No such"),
    "a file of no kind": (["sample", *LOCAL, "--out", "out.parquet"], "rows are written to .csv or .npy"),
    "a negative seed": (["sample", *LOCAL, "--seed", "-1"], "seed must be a whole number from 0 to "),
    "a negative start": (["sample", *LOCAL, "--start", "-1"], "start must be a whole number from 0 to "),
    "no temperature": (["sample", *LOCAL, "--temperature", "0"], "temperature must be a number above 0, at most 10"),
    "no address": (["sample", "--model", "m", "--url", "localhost"], "no service answers at localhost: "),
    "half an address": (["inspect", "m", "--url", "http://[::1"], "is not an address"),
    "a port out of range": (["serve", "--port", "65536"], "DIFFEO_PORT: "),
    "no models to serve": (["serve", "--models", "."], ". holds no bundle; expected ./NAME/VERSION/manifest.json"),
    "a table without a name": (["fit", "rows.csv"], "a table needs a name for its model: --name NAME"),
}


@pytest.mark.parametrize(("command", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refusal_is_one_sentence_and_exit_code_1(
    command: list[str], words: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "notes.txt").write_text("rows")
    (here / "ragged.csv").write_text("1,2\n3\n")
    (here / "wide.csv").write_text("a,b,c\n1,2,3\n")
    assert main.main(command) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"diffeo {command[0]}: ")
    assert words in told.err
    assert told.err.count("\n") == 1


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--version", "9"], "affine2d has no version 9; it has 1"),
        (["--seed", "-1"], "seed must be a whole number from 0 to "),
        (["--temperature", "0"], "temperature must be a number above 0, at most 10"),
        (["--start", "9007199254740991"], "start must be a whole number from 0 to "),
    ],
)
def test_a_server_refuses_what_a_bundle_refuses(
    more: list[str], words: str, remote: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["sample", *remote, *more]) == 1
    assert words in capsys.readouterr().err.splitlines()[-1]


def test_a_service_that_is_not_there_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    assert main.main(["sample", "--model", "m", "--url", address]) == 1
    assert capsys.readouterr().err.startswith(f"diffeo sample: no service answers at {address}: ")


@pytest.mark.parametrize(
    "command",
    [[], ["shout"], ["sample"], ["sample", *LOCAL, "-n", "0"], ["sample", *LOCAL, "-n", "1.5"], ["transform", *LOCAL],
     ["sample", *LOCAL, "-n", "inf"], ["sample", *LOCAL, "-n", "many"], ["sample", *LOCAL, "--parts", "y"],
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


def test_what_nobody_foresaw_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("diffeo.local.model.open_model", fail)
    with pytest.raises(ZeroDivisionError):
        main.main(["sample", *LOCAL])


def run(command: list[str], finish: Callable[[subprocess.Popen[str]], object]) -> tuple[int, str]:
    # Buffered, as a shell runs it.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        finish(process)
        errors = process.stderr.read() if process.stderr else ""
    return process.returncode, errors


@pytest.mark.parametrize("count", ["3", "100000"])
def test_a_reader_who_leaves_early_is_no_failure(count: str) -> None:
    command = [DIFFEO, "sample", *LOCAL, "-n", count, "--seed", "1"]
    assert run(command, lambda process: process.stdout and process.stdout.close()) == (0, "")


@pytest.mark.parametrize(
    ("package", "extra", "command"), [("scipy", "local", ["sample", *LOCAL]), ("ray", "ray", ["serve", "--ray"])]
)
def test_an_installation_without_a_part_says_what_it_needs(package: str, extra: str, command: list[str]) -> None:
    program = (
        f"import sys; sys.modules[{package!r}] = None; from diffeo.cli.main import main; sys.exit(main({command}))"
    )
    code, errors = run([sys.executable, "-c", program], lambda process: process.wait())
    assert (code, errors) == (1, f"diffeo {command[0]}: needs {package}; pip install 'diffeo[{extra}]'\n")
