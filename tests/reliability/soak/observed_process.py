"""Starts and stops a server that tells what it holds, over a repository of a model that stays and one that moves."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.given.flows import affine
from tests.given.servers.seeded_load import wait_until
from tests.given.servers.server_process import free_port
from tests.reliability.soak import observed_server
from tests.reliability.soak.questions import MOVING, STABLE


@dataclass(frozen=True, slots=True)
class Usage:
    """The memory of the process after some requests."""

    requests: int
    memory_bytes: int
    objects: int
    tasks: int
    threads: int
    open_files: int


@dataclass(frozen=True, slots=True)
class ObservedProcess:
    """A running server."""

    url: str
    port: int
    pid: int
    models: Path

    def usage(self, requests: int) -> Usage:
        """The memory that it holds now."""
        return Usage(requests, **httpx.get(self.url + observed_server.USAGE, timeout=30).json())


@contextmanager
def observed_process(leak_bytes: int = 0) -> Iterator[ObservedProcess]:
    """A server that is ready and is stopped in the end; it leaks so many bytes at every request."""
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder) / "models"
        affine.copy_to(models, STABLE)
        affine.shifted(models / MOVING / "1", 1.0)
        port = free_port()
        command = [sys.executable, "-m", observed_server.__name__, str(models), str(port), str(leak_bytes)]
        with tempfile.TemporaryFile() as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                running = ObservedProcess(f"http://127.0.0.1:{port}", port, process.pid, models)
                wait_until(lambda: _is_ready(running.url), 120)
                yield running
            finally:
                process.send_signal(signal.SIGTERM)


def _is_ready(url: str) -> bool:
    try:
        answers = [httpx.get(f"{url}/v2/models/{name}/ready") for name in (STABLE, MOVING)]
    except httpx.TransportError:
        return False
    return all(answer.status_code == httpx.codes.OK for answer in answers)
