"""`diffeo log-prob`, `transform` and `sample` into a folder print one sentence, and resume after any kill."""

import random
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from diffeo.cli import main
from tests.given.flows import affine
from tests.given.job_files import COLUMNS, LOCAL_MODEL, bytes_of, load, manifest, rows, save, table
from tests.given.servers.server_process import DIFFEO

MODELS = ["--models", str(affine.DATA)]
MODEL = ["--model", "affine2d", *MODELS]


@pytest.fixture
def work_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of the test, with a file of 3,000 rows."""
    monkeypatch.chdir(tmp_path)
    save(Path("rows.parquet"), table(rows(3000)))
    return tmp_path


def test_log_prob_writes_a_folder(work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--out", "nats", "--workers", "1", "--block-rows", "1e3"]
    assert main.main(["log-prob", "rows.parquet", *MODEL, *options]) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "3,000 rows in 3 files in" in printed.err
    assert np.array_equal(load(work_folder / "nats")["log_prob"].to_numpy(), LOCAL_MODEL.log_prob(rows(3000)))


def test_transform_writes_a_folder_and_keeps_columns(work_folder: Path) -> None:
    options = ["--direction", "forward", "--keep", "height,weight", "--format", "arrow"]
    assert main.main(["transform", "rows.parquet", *MODEL, "--out", "z/", "--workers", "2", *options]) == 0
    found = load(work_folder / "z")
    assert found.schema.names == [*COLUMNS, "z0", "z1", "log_abs_det_jacobian"]


def test_a_wrong_cell_stops_the_command_unless_the_option_makes_it_null(
    work_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("rows.csv").write_text("height,weight\n1,2\nx,4\n")
    command = ["log-prob", "rows.csv", *MODEL, "--out", "nats", "--workers", "1"]
    assert main.main(command) == 1
    assert "'x' is no number" in capsys.readouterr().err
    assert main.main([*command[:-3], "null", "--workers", "1", "--wrong", "null"]) == 0
    assert load(work_folder / "null")["log_prob"].is_null().to_pylist() == [False, True]


def test_a_sample_without_a_seed_resumes_with_the_seed_of_its_first_run(
    work_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["sample", "-n", "2000", *MODEL, "--out", "x", "--workers", "1", "--format", "npy"]
    assert main.main(command) == 0
    before = bytes_of(work_folder / "x")
    capsys.readouterr()
    assert main.main(command) == 0
    assert "nothing to do" in capsys.readouterr().err
    assert bytes_of(work_folder / "x") == before
    seed = manifest(work_folder / "x")["seed"]
    assert np.array_equal(np.load("x/part-00000000.npy"), LOCAL_MODEL.sample(2000, seed=seed))


REFUSED = {
    "no file nothing.csv": ["log-prob", "nothing.csv", *MODEL, "--out", "out"],
    "no model 'nobody'": ["log-prob", "rows.parquet", "--model", "nobody", *MODELS, "--out", "out"],
    "is computed on this machine, not by a service": [
        "sample", "--model", "m", "--url", "http://localhost:1", "--out", "out"
    ],
    "several files go into a folder": ["transform", "a.csv", "b.csv", *MODEL, "--direction", "forward"],
    "rows are written to .csv or .npy files": ["sample", *MODEL, "--out", "rows.parquet"],
    "no graphs in that precision": ["sample", *MODEL, "--out", "out", "--precision", "int8", "--workers", "1"],
}  # fmt: skip


@pytest.mark.parametrize("sentence", REFUSED)
@pytest.mark.usefixtures("work_folder")
def test_a_refused_command_prints_one_sentence(sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(REFUSED[sentence]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert sentence in printed.err.splitlines()[-1]


def finished_blocks(folder: Path) -> int:
    """Number of blocks with a record."""
    return len(list(folder.glob("_blocks/*.json")))


def test_a_command_that_is_killed_three_times_ends_with_the_same_bytes(work_folder: Path) -> None:
    # Enough blocks that some are not finished at each kill.
    command = ["sample", "-n", "300_000", "--seed", "7", *MODEL, "--block-rows", "1000", "--workers", "2"]
    assert main.main([*command, "--out", "whole"]) == 0
    out = work_folder / "killed"
    clock = random.Random(1)
    for _ in range(3):
        process = subprocess.Popen([DIFFEO, *command, "--out", "killed"], stderr=subprocess.PIPE)
        wanted = finished_blocks(out) + clock.randint(1, 60)
        while finished_blocks(out) < wanted:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (out / "_manifest.json").exists()
    assert main.main([*command, "--out", "killed"]) == 0
    assert bytes_of(out) == bytes_of(work_folder / "whole")
