"""`diffeo log-prob`, `sample` and `transform` into a folder: one sentence at the end, the same bytes after any kill."""

import random
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from diffeo.cli import main
from diffeo.local.model import open_bundle
from tests.given import job_files
from tests.given.flows import affine
from tests.given.servers.server_process import DIFFEO

MODEL = ["--model", "affine2d", "--models", str(affine.DATA)]
FLOW = open_bundle(affine.PATH, "affine2d", 1)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    job_files.save(Path("rows.parquet"), job_files.table(job_files.rows(3000)))
    return tmp_path


def test_log_prob_of_files_goes_into_a_folder(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main.main(["log-prob", "rows.parquet", *MODEL, "--out", "nats", "--workers", "1", "--block-rows", "1e3"]) == 0
    )
    told = capsys.readouterr()
    assert told.out == ""
    assert "3,000 rows in 3 parts in" in told.err
    assert np.array_equal(job_files.load(here / "nats")["log_prob"].to_numpy(), FLOW.log_prob(job_files.rows(3000)))


def test_a_transform_into_a_folder_keeps_columns(here: Path) -> None:
    options = ["--direction", "forward", "--keep", "height,weight", "--format", "arrow"]
    assert main.main(["transform", "rows.parquet", *MODEL, "--out", "z/", "--workers", "2", *options]) == 0
    found = job_files.load(here / "z")
    assert found.schema.names == [*job_files.COLUMNS, "z0", "z1", "log_abs_det_jacobian"]


def test_a_sample_without_a_seed_goes_on_with_the_one_that_it_drew(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["sample", "-n", "2000", *MODEL, "--out", "x", "--workers", "1", "--format", "npy"]
    assert main.main(command) == 0
    before = job_files.bytes_of(here / "x")
    capsys.readouterr()
    assert main.main(command) == 0
    assert "nothing to do" in capsys.readouterr().err
    assert job_files.bytes_of(here / "x") == before
    seed = job_files.manifest(here / "x")["seed"]
    assert np.array_equal(np.load("x/part-00000000.npy"), FLOW.sample(2000, seed=seed))


REFUSED = {
    "no file nothing.csv": ["log-prob", "nothing.csv", *MODEL, "--out", "out"],
    "no model 'nobody'": [
        "log-prob",
        "rows.parquet",
        "--model",
        "nobody",
        "--models",
        str(affine.DATA),
        "--out",
        "out",
    ],
    "computed here, not by a service": ["sample", "--model", "m", "--url", "http://localhost:1", "--out", "out"],
    "several files go into a folder": ["transform", "a.csv", "b.csv", *MODEL, "--direction", "forward"],
    "rows are written to .csv or .npy files": ["sample", *MODEL, "--out", "rows.parquet"],
    "no graphs in that precision": ["sample", *MODEL, "--out", "out", "--precision", "int8", "--workers", "1"],
}


@pytest.mark.parametrize("sentence", REFUSED)
@pytest.mark.usefixtures("here")
def test_a_refusal_is_one_sentence(sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(REFUSED[sentence]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert sentence in told.err.splitlines()[-1]


def test_a_command_that_is_killed_three_times_ends_with_the_same_bytes(here: Path) -> None:
    # Enough blocks that there are some left at each kill.
    whole = ["sample", "-n", "300_000", "--seed", "7", *MODEL, "--block-rows", "1000", "--workers", "2"]
    assert main.main([*whole, "--out", "whole"]) == 0
    clock = random.Random(1)
    for _ in range(3):
        killed = subprocess.Popen([DIFFEO, *whole, "--out", "killed"], stderr=subprocess.PIPE)
        done = len(list((here / "killed").glob("_blocks/*.json")))
        wanted = done + clock.randint(1, 60)
        while len(list((here / "killed").glob("_blocks/*.json"))) < wanted:
            assert killed.poll() is None
            time.sleep(0.01)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        assert not (here / "killed/_manifest.json").exists()
    assert main.main([*whole, "--out", "killed"]) == 0
    assert job_files.bytes_of(here / "killed") == job_files.bytes_of(here / "whole")
