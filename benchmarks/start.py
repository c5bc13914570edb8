"""How soon a server is ready and what it weighs: `python benchmarks/start.py` writes benchmarks/start.md.

Each run starts `diffeo serve` as a fresh process over models/, polls /readyz, scores 100,000 rows with each model, and
reads the resident memory from /proc. Medians over the runs; a busy machine shows in the spread.
"""

import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import httpx
import numpy as np

from diffeo.client.client import Client

ROOT = Path(__file__).parents[1]
RUNS = 9
ROWS = 100_000


def main() -> None:
    """Measure and write the page."""
    runs = [start_once() for _ in range(RUNS)]
    seconds, idle, used = (sorted(column) for column in zip(*runs, strict=True))
    lines = [
        "# Start and weight of the server",
        "",
        f"`python benchmarks/start.py`: {RUNS} fresh processes over `models/`. {machine()}",
        "",
        "| figure | median | least | most |",
        "|---|---|---|---|",
        row("process start to first ready answer, s", seconds, 2),
        row("resident memory when ready, MB", idle, 0),
        row(f"resident memory after {ROWS:,} rows per model, MB", used, 0),
    ]
    (ROOT / "benchmarks/start.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def start_once() -> tuple[float, float, float]:
    """Seconds to ready, MB when ready, MB after work."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    began = time.monotonic()
    command = [
        str(Path(sys.executable).with_name("diffeo")),
        "serve",
        "--models",
        str(ROOT / "models"),
        "--port",
        str(port),
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(url)
        ready = time.monotonic() - began
        idle = resident(server.pid)
        with Client(url) as client:
            for name in client.models():
                client.model(name).log_prob(np.zeros((ROWS, 2), np.float32))
        return ready, idle, resident(server.pid)
    finally:
        server.terminate()
        server.wait()


def wait_until_ready(url: str) -> None:
    """Poll every 5 ms."""
    while True:
        try:
            httpx.get(url + "/readyz").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.005)
        else:
            return


def resident(pid: int) -> float:
    """Resident memory, MB of 10^6 bytes."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) * 1024 / 1e6


def machine() -> str:
    """What the figures were taken on."""
    lines = Path("/proc/cpuinfo").read_text(encoding="ascii").splitlines()
    processor = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")
    packages = ", ".join(f"{name} {version(name)}" for name in ("onnxruntime", "numpy", "fastapi", "uvicorn"))
    return f"{os.cpu_count()} cores ({processor}), Python {platform.python_version()}, {packages}."


def row(name: str, values: list[float], digits: int) -> str:
    """One line of the table."""
    figures = (statistics.median(values), values[0], values[-1])
    return f"| {name} | " + " | ".join(f"{value:.{digits}f}" for value in figures) + " |"


if __name__ == "__main__":
    main()
