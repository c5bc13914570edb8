"""Measures start time and memory of the server: `python -m benchmarks.start` writes benchmarks/results/start.md.

Each run starts `diffeo serve` as a new process over models/, polls /readyz, scores 100,000 rows with each model and
reads the resident memory from /proc. The page shows the median, the least and the most of nine runs.
"""

import argparse
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import httpx
import numpy as np

from benchmarks.machine import processor
from benchmarks.markdown import table
from benchmarks.paths import RESULTS, ROOT
from benchmarks.process_tree import resident_bytes
from diffeo.client.client import Client

RUNS: Final = 9
ROWS: Final = 100_000
POLL_SECONDS: Final = 0.005
STOP_SECONDS: Final = 30
PACKAGES: Final = ("onnxruntime", "numpy", "fastapi", "uvicorn")


def main() -> None:
    """Measure all runs and write the page."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    seconds, idle, used = zip(*(start_once() for _ in range(RUNS)), strict=True)
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    conditions = f"{os.cpu_count()} cores ({processor()}), Python {platform.python_version()}, {versions}."
    text = f"""# Start time and memory of the server

`python -m benchmarks.start`: {RUNS} new processes over `models/`. {conditions}

"""
    rows = [
        row("process start to first ready answer, s", seconds, 2),
        row("resident memory when ready, MB", idle, 0),
        row(f"resident memory after {ROWS:,} rows per model, MB", used, 0),
    ]
    page = text + table(("measurement", "median", "least", "most"), rows) + "\n"
    (RESULTS / "start.md").write_text(page, encoding="utf-8")


def start_once() -> tuple[float, float, float]:
    """Returns the seconds until ready, MB of resident memory when ready, and MB after scoring."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    diffeo = str(Path(sys.executable).with_name("diffeo"))
    started = time.monotonic()
    server = subprocess.Popen(
        [diffeo, "serve", "--models", str(ROOT / "models"), "--port", port], stdout=subprocess.DEVNULL
    )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(url)
        ready = time.monotonic() - started
        idle = resident_bytes([server.pid]) / 1e6
        with Client(url) as client:
            for name in client.models():
                client.model(name).log_prob(np.zeros((ROWS, 2), np.float32))
        return ready, idle, resident_bytes([server.pid]) / 1e6
    finally:
        server.terminate()
        server.wait(STOP_SECONDS)


def wait_until_ready(url: str) -> None:
    """Polls /readyz every 5 ms until the server is ready."""
    while True:
        try:
            httpx.get(url + "/readyz").raise_for_status()
        except httpx.HTTPError:
            time.sleep(POLL_SECONDS)
        else:
            return


def row(name: str, values: Sequence[float], digits: int) -> list[str]:
    """One row of the table: median, least and most."""
    shown = (statistics.median(values), min(values), max(values))
    return [name, *(f"{value:.{digits}f}" for value in shown)]


if __name__ == "__main__":
    main()
