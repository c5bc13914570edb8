"""Runs wrk, the load generator: one thread that sends the next request on a connection after each response."""

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from benchmarks.serving.servers.catalogue import BodyFormat
from benchmarks.serving.servers.http_requests import HOST, Request

SCRIPT: Final = Path(__file__).with_name("post.lua")
# A slower request counts as an error. A request of a million rows behind nine others takes many seconds.
TIMEOUT_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Load:
    """Requests of `rows` rows over `connections` connections."""

    rows: int
    connections: int
    body_format: BodyFormat = "json"

    @property
    def key(self) -> str:
        """The name of the load in the results file, for example `json 64x32`."""
        return f"{self.body_format} {self.rows}x{self.connections}"

    def __str__(self) -> str:
        rows = "1 row" if self.rows == 1 else f"{self.rows} rows"
        connections = "1 connection" if self.connections == 1 else f"{self.connections} connections"
        return f"{rows}, {connections}, {'npy' if self.body_format == 'npy' else 'JSON'}"


@dataclass(frozen=True, slots=True)
class Traffic:
    """The counts of one run of wrk.

    Attributes:
        answers: responses with status 2xx or 3xx.
        errors: other responses, and connections that broke.
        client_cpu_seconds: CPU time of wrk itself.
    """

    answers: int
    errors: int
    seconds: float
    p50_ms: float
    p99_ms: float
    client_cpu_seconds: float


class Wrk:
    """A running wrk process. The end of the block kills it if it is still running."""

    def __init__(self, port: int, request: Request, connections: int, seconds: float) -> None:
        self._body = tempfile.NamedTemporaryFile()  # noqa: SIM115  (__exit__ closes it)
        self._body.write(request.body)
        self._body.flush()
        command = [find_wrk(), "-t1", f"-c{connections}", f"-d{seconds:.0f}s", f"--timeout={TIMEOUT_SECONDS}s"]
        command += ["-s", str(SCRIPT), f"http://{HOST}:{port}{request.path}", "--", self._body.name]
        command += [word for pair in request.headers.items() for word in pair]
        self._process: subprocess.Popen[str] = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
            self._process.wait()
        self._body.close()

    def traffic(self) -> Traffic:
        """Waits for the end of the run and returns its counts."""
        output = self._process.stdout
        lines = output.read().splitlines() if output else []
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        counts: dict[str, int] = json.loads(lines[-1])
        return Traffic(
            answers=counts["responses"] - counts["error_statuses"],
            errors=counts["error_statuses"] + counts["broken_connections"],
            seconds=counts["microseconds"] / 1e6,
            p50_ms=counts["p50"] / 1e3,
            p99_ms=counts["p99"] / 1e3,
            client_cpu_seconds=usage.ru_utime + usage.ru_stime,
        )


def run_wrk(port: int, request: Request, connections: int, seconds: float) -> Traffic:
    """Sends the request again and again for this time and returns the counts."""
    with Wrk(port, request, connections, seconds) as running:
        return running.traffic()


def find_wrk() -> str:
    """The path of wrk.

    Raises:
        SystemExit: wrk is not installed.
    """
    found = shutil.which("wrk")
    if found is None:
        raise SystemExit("this benchmark needs wrk: apt-get install wrk")
    return found
