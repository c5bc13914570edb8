"""On a Ray cluster of two nodes a job writes the bytes that one process writes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.given import job_files
from tests.given.flows import affine
from tests.given.servers import ray_nodes
from tests.given.servers.server_process import DIFFEO

pytest.importorskip("ray", reason="Ray is an extra: pip install 'diffeo[ray]'")

MODEL = ["--model", "affine2d", "--models", str(affine.DATA), "--block-rows", "1000"]
COMMANDS = {
    "log-prob": ["log-prob", "rows.parquet", "--keep", "weight"],
    "transform": ["transform", "rows.parquet", "--direction", "forward", "--format", "arrow"],
    "sample": ["sample", "-n", "5000", "--seed", "7", "--format", "npy"],
}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a cluster of two nodes with a core each."""
    with subprocess.Popen(
        [sys.executable, ray_nodes.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as cluster:
        assert cluster.stdin
        assert cluster.stdout
        yield cluster.stdout.readline().strip()
        cluster.stdin.close()


def test_two_nodes_write_the_bytes_of_one_process(address: str, tmp_path: Path) -> None:
    job_files.save(tmp_path / "rows.parquet", job_files.table(job_files.rows(5000)))
    for verb, command in COMMANDS.items():
        for crew in (["--workers", "1"], ["--ray"]):
            out = ["--out", f"{verb}{crew[0]}"]
            # A process of its own: Ray warns of itself, and warnings are errors here.
            environment = {**os.environ, "RAY_ADDRESS": address}
            subprocess.run([DIFFEO, *command, *MODEL, *crew, *out], cwd=tmp_path, env=environment, check=True)
        assert job_files.bytes_of(tmp_path / f"{verb}--ray") == job_files.bytes_of(tmp_path / f"{verb}--workers")
