"""Starting a server and stopping it: nothing that was started outlives the block it was started in."""

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

import tree
import wire
from places import ENVIRONMENTS, HERE, PEERS, ROOT, WORK, bundle, repository
from servers import THREADS, Server

START_SECONDS: Final = 90
STOP_SECONDS: Final = 30
POLL_SECONDS: Final = 0.005

# What a machine knows of itself and a page for others must not show.
PRIVATE: Final = re.compile(rf"\w+://\S+|{re.escape(str(ROOT))}/?|{re.escape(str(Path.home()))}/\S*")
REASON_CHARACTERS: Final = 160


class NotServing(Exception):
    """A server was not installed or did not start; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers.

    Attributes:
        keeper: the process above all of the server's own.
        port: where it listens on this machine.
        ready_seconds: from the start of the process to its first answer, the log_prob of one row.
    """

    server: Server
    keeper: int
    port: int
    ready_seconds: float


@contextmanager
def serving(server: Server, graph: str) -> Iterator[Running]:
    """The server over one graph, from its start to its end.

    Raises:
        NotServing: it ended, or gave no answer in time.
    """
    port, grpc, metrics = free_ports(3)
    scratch = scratch_of(server)
    values = {
        "port": port,
        "grpc": grpc,
        "metrics": metrics,
        "models": repository(graph),
        "peers": PEERS,
        "scratch": scratch,
    }
    command = [part.format(**values) for part in server.command]
    variables = _variables(server)
    if server.environment is not None:
        variables |= {"MODEL": str(bundle(graph) / "forward.onnx"), "PORT": str(port)}
        variables |= {"GRPC_PORT": str(grpc), "METRICS_PORT": str(metrics)}
    variables |= {name: value.format(**values) for name, value in server.variables.items()}
    log = scratch / "log"
    began = time.monotonic()
    with _kept(command, variables, scratch, log) as keeper:
        while not _answers(server, port):
            if keeper.poll() is not None:
                raise NotServing(f"ended at start: {reason(log)}")
            if time.monotonic() - began > START_SECONDS:
                raise NotServing(f"no answer within {START_SECONDS} s: {reason(log)}")
            time.sleep(POLL_SECONDS)
        yield Running(server, keeper.pid, port, time.monotonic() - began)


def scratch_of(server: Server) -> Path:
    """Where a server may write."""
    scratch = WORK / "scratch" / server.key
    scratch.mkdir(parents=True, exist_ok=True)
    return scratch


def shown(server: Server, graph: str) -> str:
    """The command as one would type it at the root of the repository."""
    values = {name: name.upper() for name in ("port", "grpc", "metrics", "scratch")}
    folders = {"models": repository(graph).relative_to(ROOT), "peers": PEERS.relative_to(ROOT)}
    return " ".join(part.format(**values, **folders) for part in server.command)


def reason(log: Path) -> str:
    """The last line of a log that says something, without what is this machine's own."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    said = [line for line in lines if any(map(str.isalpha, line))] or ["it said nothing"]
    errors = [line for line in said if "Error" in line or "ERROR" in line]
    return PRIVATE.sub("", (errors or said)[-1])[:REASON_CHARACTERS]


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on at this moment."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((wire.HOST, 0))
        return [int(probe.getsockname()[1]) for probe in probes]


@contextmanager
def _kept(
    command: list[str], variables: dict[str, str], folder: Path, log: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    # -S: the keeper needs no packages, and starts in a hundredth of a second.
    keep = [sys.executable, "-S", "-E", str(HERE / "keeper.py"), *command]
    with log.open("wb") as output:
        # A session of its own: Ctrl-C reaches the benchmark alone, which then ends the server in order.
        keeper = subprocess.Popen(
            keep,
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield keeper
    finally:
        _end(keeper)


def _end(keeper: "subprocess.Popen[bytes]") -> None:
    keeper.terminate()
    try:
        keeper.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        for pid in (*tree.below(keeper.pid), keeper.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        keeper.wait()


def _variables(server: Server) -> dict[str, str]:
    if server.environment is None:
        return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    commands = ENVIRONMENTS / server.environment.name / "bin"
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    path = f"{commands}:{os.environ['PATH']}"
    return {**kept, "PATH": path, "PYTHONPATH": str(PEERS), "THREADS": str(THREADS)}


def _answers(server: Server, port: int) -> bool:
    try:
        return len(wire.log_prob(server, port, wire.rows(1))) == 1
    except (OSError, wire.WrongAnswer):
        return False
