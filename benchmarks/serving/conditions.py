"""What the figures were taken on and with: machine, versions, commands, pace, date."""

import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final

import environments
from load import wrk
from machine import machine
from places import HERE, PEERS, ROOT, digest
from processes import shown
from results import Pace
from servers import Server

OURS: Final = ("onnxruntime", "numpy", "fastapi", "uvicorn")
SHOWN_GRAPH: Final = "flow64"


def conditions(servers: Sequence[Server], pace: Pace) -> dict[str, object]:
    """All of it, and `key`: figures with the same key may stand in one table."""
    sources = [ROOT / room for room in ("bundle", "diffeo", "runtime", "service")]
    return {
        "key": digest([*sources, HERE, PEERS], repr(pace), machine(), *(server.key for server in servers)),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "pace": asdict(pace),
        "versions": {server.name: _versions(server) for server in servers} | {"wrk": _wrk()},
        "commands": {server.name: shown(server, SHOWN_GRAPH) for server in servers},
    }


def _versions(server: Server) -> str:
    if server.environment is None:
        found = {"Python": platform.python_version()} | {name: version(name) for name in OURS}
    else:
        found = environments.versions(server.environment)
    return ", ".join(f"{name} {number}" for name, number in found.items())


def _wrk() -> str:
    # It answers -v with its name, its version and, as if that were a mistake, exit code 1.
    said = subprocess.run([wrk(), "-v"], capture_output=True, text=True, check=False).stdout
    return " ".join(said.split()[1:2])
