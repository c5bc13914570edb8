"""Starts a server, waits for its first answer and stops it with all of its processes."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import process_tree
from benchmarks.paths import ENVIRONMENTS, PEERS, ROOT, WORK, bundle, repository
from benchmarks.serving.servers import http_requests
from benchmarks.serving.servers.catalogue import THREADS, Server

SUPERVISOR: Final = "benchmarks.serving.servers.supervisor"
START_SECONDS: Final = 90
STOP_SECONDS: Final = 30
POLL_SECONDS: Final = 0.005

# Paths and addresses of this machine, which a published page must not show.
PRIVATE: Final = re.compile(rf"\w+://\S+|{re.escape(str(ROOT))}/?|{re.escape(str(Path.home()))}/\S*")
REASON_CHARACTERS: Final = 160


class NotServing(Exception):
    """A server could not be installed or did not start; the sentence says why."""


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that has answered a request.

    Attributes:
        supervisor: process id of the supervisor; all processes of the server descend from it.
        port: the server's HTTP port on this machine.
        ready_seconds: from the start of the process to its first answer, the log_prob of one row.
    """

    server: Server
    supervisor: int
    port: int
    ready_seconds: float


@contextmanager
def serving(server: Server, graph: str) -> Iterator[RunningServer]:
    """Starts the server with one graph, yields it when it answers, and stops it at the end of the block.

    Raises:
        NotServing: the server ended at start, or did not answer within START_SECONDS.
    """
    port, grpc, metrics = free_ports(3)
    scratch = scratch_folder(server)
    values = {
        "port": port,
        "grpc": grpc,
        "metrics": metrics,
        "models": repository(graph),
        "peers": PEERS,
        "root": ROOT,
        "scratch": scratch,
    }
    command = [word.format(**values) for word in server.command]
    variables = _variables(server)
    if server.environment is not None:
        variables |= {"MODEL": str(bundle(graph) / "forward.onnx"), "PORT": str(port)}
        variables |= {"GRPC_PORT": str(grpc), "METRICS_PORT": str(metrics)}
    variables |= {name: value.format(**values) for name, value in server.variables.items()}
    log = scratch / "log"
    started = time.monotonic()
    with _supervised(command, variables, scratch, log) as supervisor:
        while not _answers(server, port):
            if supervisor.poll() is not None:
                raise NotServing(f"ended at start: {last_error(log)}")
            if time.monotonic() - started > START_SECONDS:
                raise NotServing(f"no answer within {START_SECONDS} s: {last_error(log)}")
            time.sleep(POLL_SECONDS)
        yield RunningServer(server, supervisor.pid, port, time.monotonic() - started)


def scratch_folder(server: Server) -> Path:
    """The folder in which the server runs and may write."""
    scratch = WORK / "scratch" / server.key
    scratch.mkdir(parents=True, exist_ok=True)
    return scratch


def command_line(server: Server, graph: str) -> str:
    """The server's command as one would type it at the root of the repository, with PORT for the port."""
    values = {name: name.upper() for name in ("port", "grpc", "metrics", "scratch")}
    folders = {"models": repository(graph).relative_to(ROOT), "peers": PEERS.relative_to(ROOT), "root": "."}
    return " ".join(word.format(**values, **folders) for word in server.command)


def last_error(log: Path) -> str:
    """The last error line of a log, else its last line with letters. Paths of this machine are removed."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    readable = [line for line in lines if any(map(str.isalpha, line))] or ["the log is empty"]
    errors = [line for line in readable if "Error" in line or "ERROR" in line]
    return PRIVATE.sub("", (errors or readable)[-1])[:REASON_CHARACTERS]


def free_ports(count: int) -> list[int]:
    """Different ports that no process listens on at this moment."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((http_requests.HOST, 0))
        return [int(probe.getsockname()[1]) for probe in probes]


@contextmanager
def _supervised(
    command: list[str], variables: dict[str, str], folder: Path, log: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    # -S: the supervisor needs no packages and starts in ten milliseconds without them. -m finds it below ROOT.
    supervise = [sys.executable, "-S", "-E", "-m", SUPERVISOR, str(folder), *command]
    with log.open("wb") as output:
        # A separate session: Ctrl-C then reaches only the benchmark, which stops the server in order.
        supervisor = subprocess.Popen(
            supervise,
            cwd=ROOT,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield supervisor
    finally:
        _stop(supervisor)


def _stop(supervisor: "subprocess.Popen[bytes]") -> None:
    supervisor.terminate()
    try:
        supervisor.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        for pid in (*process_tree.descendants(supervisor.pid), supervisor.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        supervisor.wait()


def _variables(server: Server) -> dict[str, str]:
    if server.environment is None:
        return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    commands = ENVIRONMENTS / server.environment.name / "bin"
    inherited = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    path = f"{commands}:{os.environ['PATH']}"
    return {**inherited, "PATH": path, "PYTHONPATH": str(PEERS), "THREADS": str(THREADS)}


def _answers(server: Server, port: int) -> bool:
    try:
        return len(http_requests.log_prob(server, port, http_requests.moons_rows(1))) == 1
    except (OSError, http_requests.WrongAnswer):
        return False
