"""A real server process with several workers, whose processes, memory, open files and log a test watches."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from benchmarks import process_tree
from tests.given.servers.server_process import Server

PROC: Final = Path("/proc")
# The module that a worker process runs.
WORKER_COMMAND: Final = b"diffeo.service.process.worker"


class Usage(NamedTuple):
    """The memory in bytes, the open files and the threads of all serving processes."""

    memory_bytes: int
    open_files: int
    threads: int


class WatchedServer(Server):
    """A server whose processes are watched; it is stopped as `Server` is.

    Args:
        models: the repository.
        options: of `diffeo serve`.
        workers: number of processes that serve.
        environment: further variables.
    """

    def __init__(self, models: Path, *options: str, workers: int = 2, **environment: str) -> None:
        super().__init__(models, *options, **{"DIFFEO_WORKERS": str(workers), **environment})
        parts = urlsplit(self.url)
        self.host, self.port = str(parts.hostname), int(parts.port or 0)

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that serve, in ascending order."""
        found = [pid for pid in process_tree.descendants(self.process.pid) if _is_worker(pid)]
        return tuple(sorted(found)) or (self.process.pid,)

    def usage(self) -> Usage:
        """The memory, files and threads that they hold now."""
        pids = self.pids
        return Usage(
            sum(map(_own_bytes, pids)), sum(_count(pid, "fd") for pid in pids), sum(_count(pid, "task") for pid in pids)
        )

    def end(self) -> list[bytes]:
        """Send SIGTERM, wait for the end, and return the lines of the log as they were written."""
        self.process.terminate()
        self.process.wait(timeout=60)
        # Read as bytes: text mode would hide what is not UTF-8.
        lines = Path(f"/proc/self/fd/{self._log.fileno()}").read_bytes().splitlines()
        self._log.close()
        return lines


def lowest(measure: Callable[[], int], seconds: float = 3.0) -> int:
    """The lowest of several measurements in some seconds: memory that is about to be freed does not count."""
    deadline = time.monotonic() + seconds
    found = measure()
    while time.monotonic() < deadline:
        time.sleep(0.2)
        found = min(found, measure())
    return found


def _is_worker(pid: int) -> bool:
    try:
        return WORKER_COMMAND in (PROC / str(pid) / "cmdline").read_bytes()
    except process_tree.ENDED:
        return False


def _own_bytes(pid: int) -> int:
    # Private pages: pages of libraries that all processes share do not count.
    lines = (PROC / str(pid) / "smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("Private_Dirty:", "Private_Clean:")))


def _count(pid: int, folder: str) -> int:
    return sum(1 for _ in (PROC / str(pid) / folder).iterdir())
