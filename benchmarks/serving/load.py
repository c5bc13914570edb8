"""The load: wrk, one thread that sends the next request on a connection as soon as the last one is answered."""

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Self

from places import HERE
from servers import Form
from wire import HOST, Request

# A request that takes longer is an error; a million rows behind nine others take their time.
TIMEOUT_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Load:
    """Requests of `rows` rows over `connections` connections."""

    rows: int
    connections: int
    form: Form = "json"

    @property
    def key(self) -> str:
        """As results name it."""
        return f"{self.form} {self.rows}x{self.connections}"

    def __str__(self) -> str:
        rows = "1 row" if self.rows == 1 else f"{self.rows} rows"
        connections = "1 connection" if self.connections == 1 else f"{self.connections} connections"
        return f"{rows}, {connections}, {'npy' if self.form == 'npy' else 'JSON'}"


@dataclass(frozen=True, slots=True)
class Traffic:
    """What wrk counted.

    Attributes:
        answers: of status 2xx or 3xx.
        errors: other answers, and connections that broke.
        client_cpu_seconds: wrk's own processor time.
    """

    answers: int
    errors: int
    seconds: float
    p50_ms: float
    p99_ms: float
    client_cpu_seconds: float


class Wrk:
    """One run of wrk that has been started; leaving the block ends it."""

    def __init__(self, port: int, request: Request, connections: int, seconds: float) -> None:
        self._body = tempfile.NamedTemporaryFile()  # noqa: SIM115  (it lives as long as the block)
        self._body.write(request.body)
        self._body.flush()
        command = [wrk(), "-t1", f"-c{connections}", f"-d{seconds:.0f}s", f"--timeout={TIMEOUT_SECONDS}s"]
        command += ["-s", str(HERE / "post.lua"), f"http://{HOST}:{port}{request.path}", "--", self._body.name]
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
        """Wait for the end of the run."""
        output: IO[str] | None = self._process.stdout
        lines = output.read().splitlines() if output else []
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        counted = json.loads(lines[-1])
        return Traffic(
            answers=counted["answers"] - counted["refused"],
            errors=counted["refused"] + counted["broken"],
            seconds=counted["microseconds"] / 1e6,
            p50_ms=counted["p50"] / 1e3,
            p99_ms=counted["p99"] / 1e3,
            client_cpu_seconds=usage.ru_utime + usage.ru_stime,
        )


def drive(port: int, request: Request, connections: int, seconds: float) -> Traffic:
    """Send for so many seconds, then count."""
    with Wrk(port, request, connections, seconds) as running:
        return running.traffic()


def wrk() -> str:
    """The load generator."""
    found = shutil.which("wrk")
    if found is None:
        raise SystemExit("the benchmark needs wrk: apt-get install wrk")
    return str(Path(found))
