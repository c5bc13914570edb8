"""The preflight's process: loads one version after the other, and reports on a socket of its own.

A bad graph can kill or hang the process that loads it, take all memory, or print: ONNX Runtime prints on standard
output. So the socket has a number that no library knows, and the standard streams lead nowhere.

The parent sends the settings, then each version, one JSON line each. This process answers the settings with its process
id, and a version with its name, its number, the reason to refuse it or null, whether that reason can pass by itself,
and null or what was proved: the digest of its manifest, and the bytes that its graphs need for a row.
"""

import contextlib
import importlib
import json
import os
import resource
import socket
import sys
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from diffeo.bundle import agreement
from diffeo.runtime.errors import EngineError

from ..errors import ServiceError
from ..settings import Settings
from . import repository
from .repository import RefusedVersion
from .scan import VersionKey

# A good version loads in seconds.
PROCESSOR_SECONDS: Final = 30
# Address space that a version may add: this, and as many copies of its files.
ADDRESS_BYTES: Final = 2 * 2**30
COPIES: Final = 8
# Requests go first.
NICENESS: Final = 10
# If the machine has no memory left, Linux kills the process with the highest score; 1000 is the most.
OUT_OF_MEMORY_SCORE: Final = "1000"


def main() -> None:
    """Answer the parent until it closes its end of the socket."""
    with (
        socket.socket(fileno=int(sys.argv[1])) as parent,
        parent.makefile("rw", encoding="ascii") as lines,
        ThreadPoolExecutor(1) as executor,
    ):
        settings = Settings.model_validate_json(lines.readline())
        # The libraries of the engine are large, and their address space is not the version's.
        importlib.import_module(f"diffeo.runtime.engines.{settings.engine}")
        _yield_to_requests()
        print(json.dumps(os.getpid()), file=lines, flush=True)
        while line := lines.readline():
            name, version = json.loads(line)
            _limit(settings, (name, version))
            print(json.dumps([name, version, *_load(settings, (name, version), executor)]), file=lines, flush=True)


def _load(settings: Settings, key: VersionKey, executor: Executor) -> tuple[str | None, bool, tuple[str, int] | None]:
    try:
        seconds = agreement.FURTHER_SECONDS
        entry = repository.load_version(settings, key, executor, seconds=seconds, measures_memory=True)
    except (ServiceError, EngineError):
        # Not an error of the version: the service meets the same error when it loads the version, and reports it.
        return None, False, None
    if isinstance(entry, RefusedVersion):
        return entry.reason, entry.can_pass, None
    return None, False, (entry.digest, entry.row_bytes)


def _yield_to_requests() -> None:
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OUT_OF_MEMORY_SCORE, encoding="ascii")


def _limit(settings: Settings, key: VersionKey) -> None:
    """Start the budget of one version: what this process used before does not count."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource.RLIMIT_CPU, round(usage.ru_utime + usage.ru_stime) + PROCESSOR_SECONDS)
    # CUDA reserves more address space than any machine has memory.
    if settings.execution_providers == ("cpu",):
        name, version = key
        size = _bytes(settings.models / name / str(version))
        with contextlib.suppress(OSError):
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
            _lower(resource.RLIMIT_AS, pages * resource.getpagesize() + ADDRESS_BYTES + COPIES * size)


def _lower(kind: int, limit: int) -> None:
    # A limit that the process already has is never exceeded.
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _bytes(folder: Path) -> int:
    try:
        with os.scandir(folder) as entries:
            return sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
    except OSError:
        return 0


if __name__ == "__main__":
    main()
