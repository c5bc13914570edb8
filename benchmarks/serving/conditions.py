"""The conditions of a run: machine, versions, commands, pace, date."""

import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final

from benchmarks.machine import machine
from benchmarks.paths import BENCHMARKS, PEERS, ROOT, digest
from benchmarks.serving.load.wrk import find_wrk
from benchmarks.serving.scenarios.results import Pace
from benchmarks.serving.servers import environments
from benchmarks.serving.servers.catalogue import Server
from benchmarks.serving.servers.server_process import command_line

OUR_PACKAGES: Final = ("onnxruntime", "numpy", "fastapi", "uvicorn")
GRAPH: Final = "flow64"


def conditions(servers: Sequence[Server], pace: Pace) -> dict[str, object]:
    """All conditions, and their digest as `key`: results with the same key may stand in one table."""
    sources = [ROOT / room for room in ("bundle", "diffeo", "runtime", "service")]
    sources += [BENCHMARKS / "serving", PEERS]
    return {
        "key": digest(sources, repr(pace), machine(), *(server.key for server in servers)),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "pace": asdict(pace),
        "versions": {server.name: _versions(server) for server in servers} | {"wrk": _wrk_version()},
        "commands": {server.name: command_line(server, GRAPH) for server in servers},
    }


def _versions(server: Server) -> str:
    if server.environment is None:
        found = {"Python": platform.python_version()} | {name: version(name) for name in OUR_PACKAGES}
    else:
        found = environments.versions(server.environment)
    return ", ".join(f"{name} {number}" for name, number in found.items())


def _wrk_version() -> str:
    # `wrk -v` prints its version and exits with code 1.
    output = subprocess.run([find_wrk(), "-v"], capture_output=True, text=True, check=False).stdout
    return " ".join(output.split()[1:2])
