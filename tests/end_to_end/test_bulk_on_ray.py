"""On a Ray cluster of two nodes a job writes the bytes that one process writes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import affine
import jobs
import nodes
import pytest
from process import DIFFEO

pytest.importorskip("ray", reason="Ray is an extra: pip install 'diffeo[ray]'")

MODEL = ["--model", "affine2d", "--models", str(affine.DATA), "--block-rows", "1000"]
COMMANDS = {
    "score": ["score", "rows.parquet", "--keep", "weight"],
    "transform": ["transform", "rows.parquet", "--direction", "forward", "--format", "arrow"],
    "sample": ["sample", "-n", "5000", "--seed", "7", "--format", "npy"],
}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a cluster of two nodes with a core each."""
    with subprocess.Popen(
        [sys.executable, nodes.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as cluster:
        assert cluster.stdin
        assert cluster.stdout
        yield cluster.stdout.readline().strip()
        cluster.stdin.close()


def test_two_nodes_write_the_bytes_of_one_process(address: str, tmp_path: Path) -> None:
    jobs.save(tmp_path / "rows.parquet", jobs.table(jobs.rows(5000)))
    for verb, command in COMMANDS.items():
        for crew in (["--workers", "1"], ["--ray"]):
            out = ["--out", f"{verb}{crew[0]}"]
            # A process of its own: Ray warns of itself, and warnings are errors here.
            environment = {**os.environ, "RAY_ADDRESS": address}
            subprocess.run([DIFFEO, *command, *MODEL, *crew, *out], cwd=tmp_path, env=environment, check=True)
        assert jobs.bytes_of(tmp_path / f"{verb}--ray") == jobs.bytes_of(tmp_path / f"{verb}--workers")
