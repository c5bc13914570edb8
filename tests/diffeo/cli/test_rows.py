"""`diffeo sample`, `log-prob`, `transform` and `inspect` give the same bytes from a server and from a bundle."""

import io
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from diffeo.bundle import base
from diffeo.cli import main
from tests.given.flows import affine

LOCAL = ["--model", "affine2d", "--models", str(affine.DATA)]
COMMANDS: dict[str, list[str]] = {
    "x": ["sample", "-n", "5", "--seed", "7"],
    "every output": ["sample", "-n", "5", "--seed", "7", "--start", "3", "--return", "z", "log_prob", "x"],
    "tempered": ["sample", "--seed", "7", "--temperature", "0.5", "--return", "log_prob"],
    "version 1": ["sample", "--seed", "7", "--version", "1"],
    "log_prob of csv": ["log-prob", "rows.csv"],
    "log_prob of npy": ["log-prob", "rows.npy"],
    "forward": ["transform", "rows.csv", "--direction", "forward"],
    "inverse": ["transform", "latent.csv", "--direction", "inverse"],
}


@pytest.mark.parametrize("suffix", [None, ".csv", ".npy"])
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_a_server_and_a_bundle_give_the_same_bytes(
    command: list[str], suffix: str | None, folder: Path, remote: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    contents = []
    for source in (LOCAL, remote):
        out = [] if suffix is None else ["--out", f"out{suffix}"]
        assert main.main([*command, *source, *out]) == 0
        captured = capsys.readouterr()
        assert captured.err == ""
        contents.append(captured.out.encode() if suffix is None else (folder / f"out{suffix}").read_bytes())
        assert (captured.out == "") == (suffix is not None)
    assert contents[0] == contents[1]
    assert len(contents[0]) > 20


@pytest.mark.usefixtures("folder")
def test_the_numbers_are_those_known_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    def run(*command: str) -> npt.NDArray[np.void]:
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


@pytest.mark.usefixtures("folder")
def test_log_prob_matches_columns_by_name_and_writes_an_empty_cell_for_a_row_with_a_missing_number(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.main(["log-prob", "rows.csv", *LOCAL]) == 0
    header, first, second, third = capsys.readouterr().out.splitlines()
    assert (header, third) == ("log_prob", '""')
    expected = affine.log_prob(np.array([[1, -2], [3, 2]]))
    np.testing.assert_allclose(np.array([first, second], np.float64), expected, rtol=1e-6)


def test_a_table_without_rows_gives_the_header_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "empty.csv").write_text("height,weight\n")
    assert main.main(["log-prob", "empty.csv", *LOCAL]) == 0
    assert capsys.readouterr().out == "log_prob\n"


def test_a_dash_reads_rows_from_standard_input(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main.main(["log-prob", "rows.csv", *LOCAL])
    expected = capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.StringIO((folder / "rows.csv").read_text()))
    assert main.main(["log-prob", "-", *LOCAL]) == 0
    assert capsys.readouterr().out == expected


def test_a_sample_without_a_seed_prints_the_seed_that_repeats_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["sample", *LOCAL]) == 0
    first = capsys.readouterr()
    assert main.main(["sample", *LOCAL, "--seed", first.err.split()[1]]) == 0
    assert capsys.readouterr().out == first.out


def test_a_sample_is_the_same_when_it_takes_many_calls(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["sample", "-n", "1e2", "--seed", "7", *LOCAL]
    main.main(command)
    whole = capsys.readouterr().out
    monkeypatch.setattr("diffeo.cli.rows.CALL_ROWS", 7)
    main.main(command)
    assert capsys.readouterr().out == whole
    assert len(whole.splitlines()) == 101


def test_inspect_shows_the_same_metadata_of_a_bundle_and_of_a_server(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = []
    for command in (["inspect", str(affine.PATH)], ["inspect", "affine2d", "--url", url]):
        assert main.main([*command, "--json"]) == 0
        content = json.loads(capsys.readouterr().out)
        shown.append(content.get("newest", content))
    for name in ("digest", "columns", "dtype", "base", "certificate", "calibration", "provenance"):
        assert shown[0][name] == shown[1][name]
