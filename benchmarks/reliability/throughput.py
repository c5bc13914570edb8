"""Compares the throughput with that of an earlier commit: `python -m benchmarks.reliability.throughput`.

Both services run at the same time, and wrk loads one of them at a time, in turns. The figure is the median of the
ratios of neighbouring turns, so a slow moment of the machine meets both. Only requests of one row have a promise.
"""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from tqdm import tqdm

from benchmarks.paths import ROOT
from benchmarks.reliability.figure import Figure, write
from benchmarks.serving.load.wrk import run_wrk
from benchmarks.serving.servers.http_requests import Request
from diffeo.bundle import npy
from tests.given.servers.server_process import free_port

# The last commit before the limits of this page.
BEFORE: Final = "106b71f"
START: Final = "import sys; from diffeo.cli.main import main; sys.exit(main(sys.argv[1:]))"
LEAST: Final = 0.95
JSON: Final = {"Content-Type": "application/json"}


def loads() -> dict[str, tuple[Request, int]]:
    """The loads by name: a request, and the number of connections."""
    rows = np.random.default_rng(0).normal(size=(1024, 2)).round(4)
    by_name = "/log_prob?model=moons"
    text = "x0,x1\n" + "".join(f"{first},{second}\n" for first, second in rows)
    values = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": rows[0].tolist()}
    return {
        "one row": (Request("/log_prob", _json(model="moons", x=rows[:1].tolist()), JSON), 32),
        "one row, one connection": (Request("/log_prob", _json(model="moons", x=rows[:1].tolist()), JSON), 1),
        "64 rows of JSON": (Request("/log_prob", _json(model="moons", x=rows[:64].tolist()), JSON), 16),
        "1,024 rows of npy": (Request(by_name, npy.write(rows.astype("f4")), {"Content-Type": "application/x-npy"}), 8),
        "1,024 rows of csv": (Request(by_name, text.encode(), {"Content-Type": "text/csv"}), 8),
        "one row of /v2": (Request("/v2/models/moons/infer", _json(inputs=[values]), JSON), 32),
    }


def main() -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one turn of a second for each load")
    parser.add_argument("--before", default=BEFORE, help=f"the earlier commit (default: {BEFORE})")
    given = parser.parse_args()
    turns, seconds = (1, 1.0) if given.quick else (15, 3.0)
    with worktree(given.before) as before, served(before) as old, served(ROOT) as new:
        figures = [
            figure for name, load in loads().items() for figure in compare(name, *load, (old, new), turns, seconds)
        ]
    write("throughput", "python -m benchmarks.reliability.throughput", figures, seed=None, quick=given.quick)


def compare(  # noqa: PLR0913, PLR0917  (a load, two servers, and for how long)
    name: str, request: Request, connections: int, ports: tuple[int, int], turns: int, seconds: float
) -> list[Figure]:
    """The figures of one load."""
    rates: dict[int, list[float]] = {port: [] for port in ports}
    failed = 0
    for port in ports:
        run_wrk(port, request, connections, 1)
    for turn in tqdm(range(turns), name):
        for port in ports if turn % 2 else reversed(ports):
            traffic = run_wrk(port, request, connections, seconds)
            failed += traffic.errors
            rates[port].append(traffic.answers / traffic.seconds)
    before, after = (rates[port] for port in ports)
    ratio = statistics.median(new / old for old, new in zip(before, after, strict=True))
    text = f"{name}: throughput by that of the commit before"
    promised = name == "one row"
    return [
        Figure.at_least(text, ratio, LEAST, n=turns) if promised else Figure.observed(text, ratio, n=turns),
        Figure.observed(f"{name}: throughput", statistics.median(after), "requests/s", n=turns),
        Figure.observed(f"{name}: rejected or failed, of both", failed, n=turns),
    ]


@contextlib.contextmanager
def worktree(commit: str) -> Iterator[Path]:
    """The files of a commit."""
    git = shutil.which("git")
    if git is None:
        raise SystemExit("this benchmark needs git")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "before"
        subprocess.run([git, "worktree", "add", "--detach", target, commit], cwd=ROOT, check=True)
        try:
            yield target
        finally:
            subprocess.run([git, "worktree", "remove", "--force", target], cwd=ROOT, check=True)


@contextlib.contextmanager
def served(root: Path) -> Iterator[int]:
    """The port of a server of two workers that runs the files of this folder."""
    port = free_port()
    options = ["--models", str(root / "models"), "--port", str(port), "--workers", "2"]
    command = [sys.executable, "-c", START, "serve", *options]
    environment = {**os.environ, "PYTHONPATH": str(root), "DIFFEO_LOG_LEVEL": "error"}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=environment, cwd=tempfile.gettempdir(), stdout=log, stderr=log)
        try:
            until_ready(port, process)
            yield port
        finally:
            process.terminate()
            process.wait()


def until_ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Wait until a server is ready."""
    while process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz"):
            return
        time.sleep(0.05)
    raise SystemExit(f"the server ended with code {process.returncode}")


def _json(**values: object) -> bytes:
    return json.dumps(values).encode()


if __name__ == "__main__":
    main()
