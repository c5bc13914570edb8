"""A server process on a fixed port, as a benchmark starts, signals and watches it."""

import asyncio
import os
import random
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Final, Self

import httpx

from benchmarks import process_tree
from benchmarks.paths import ROOT

DIFFEO: Final = str(Path(sys.executable).with_name("diffeo"))
MODELS: Final = ROOT / "models"
WORKER_COMMAND: Final = b"diffeo.service.process.worker"
START_SECONDS: Final = 120.0
# Below the ports that Linux gives to clients. While no server runs, a client that has such a port could connect to
# itself, and another program could get the port from the system.
FIXED_PORTS: Final = range(20_000, 32_000)


def fixed_port() -> int:
    """A port that is free now, and that the system gives to nobody while its server restarts."""
    while True:
        port = random.choice(FIXED_PORTS)  # noqa: S311  (any of them)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


class Served:
    """A running `diffeo serve`.

    Args:
        process: the process that was started.
        port: the port that it serves.
    """

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.port = port

    @classmethod
    async def start(cls, port: int, workers: int, models: Path = MODELS, seconds: float = START_SECONDS) -> Self:
        """Start a server and wait until it is ready, at most so many seconds."""
        command = [DIFFEO, "serve", "--models", str(models), "--port", str(port), "--workers", str(workers)]
        environment = {**os.environ, "DIFFEO_LOG_LEVEL": "error"}
        process = await asyncio.create_subprocess_exec(*command, env=environment)
        served = cls(process, port)
        async with asyncio.timeout(seconds):
            while not await served.is_ready():
                if process.returncode is not None:
                    raise RuntimeError(f"the server ended with code {process.returncode} before it was ready")
                await asyncio.sleep(0.02)
        return served

    async def is_ready(self) -> bool:
        """True if it answers that it is ready."""
        return await self.get("/readyz") is not None

    async def get(self, path: str) -> httpx.Response | None:
        """A page, on a new connection; None if there is no good answer."""
        try:
            # Reading the certificates of the system would take longer than the request.
            async with httpx.AsyncClient(timeout=30, verify=False) as client:  # noqa: S501  (plain HTTP)
                response = await client.get(f"http://127.0.0.1:{self.port}{path}")
        except httpx.TransportError:
            return None
        return response if response.is_success else None

    @property
    def workers(self) -> set[int]:
        """The processes that serve."""
        descendants = process_tree.descendants(self._process.pid)
        found = {each for each in descendants if WORKER_COMMAND in _command(each)}
        return found or {self._process.pid}

    def resident_bytes(self) -> int:
        """The memory of the processes that serve."""
        fields = [Path(f"/proc/{worker}/statm").read_text().split()[1] for worker in self.workers]
        return sum(map(int, fields)) * os.sysconf("SC_PAGE_SIZE")

    async def stop(self) -> tuple[int, float]:
        """Send SIGTERM and wait; the exit code and the seconds that it took."""
        began = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        return await self._process.wait(), time.monotonic() - began


def _command(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""
