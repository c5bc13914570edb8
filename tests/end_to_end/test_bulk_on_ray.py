"""A bulk job on a Ray cluster of two nodes writes the same bytes as one process."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.given.flows import affine
from tests.given.job_files import bytes_of, rows, save, table
from tests.given.servers import ray_nodes
from tests.given.servers.server_process import DIFFEO

pytest.importorskip("ray", reason="Ray is an extra: pip install 'diffeo[ray]'")

MODEL = ["--model", "affine2d", "--models", str(affine.DATA), "--block-rows", "1000"]
COMMANDS = {
    "log-prob": ["log-prob", "rows.parquet", "--keep", "weight"],
    "transform": ["transform", "rows.parquet", "--direction", "forward", "--format", "arrow"],
    "sample": ["sample", "-n", "5000", "--seed", "7", "--format", "npy"],
}
EXECUTORS = {"one-process": ["--workers", "1"], "ray": ["--ray"]}


@pytest.fixture(scope="module")
def ray_address() -> Iterator[str]:
    """Address of a Ray cluster of two nodes with one core each."""
    with subprocess.Popen(
        [sys.executable, ray_nodes.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as cluster:
        assert cluster.stdin
        assert cluster.stdout
        yield cluster.stdout.readline().strip()
        cluster.stdin.close()


def test_two_ray_nodes_write_the_same_bytes_as_one_process(ray_address: str, tmp_path: Path) -> None:
    save(tmp_path / "rows.parquet", table(rows(5000)))
    # Ray emits warnings, which are errors in the test process, so each command runs in its own process.
    environment = {**os.environ, "RAY_ADDRESS": ray_address}
    for operation, command in COMMANDS.items():
        for name, options in EXECUTORS.items():
            out = ["--out", f"{operation}-{name}"]
            subprocess.run([DIFFEO, *command, *MODEL, *options, *out], cwd=tmp_path, env=environment, check=True)
        assert bytes_of(tmp_path / f"{operation}-ray") == bytes_of(tmp_path / f"{operation}-one-process")
