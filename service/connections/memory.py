"""The memory budget of one process: bytes of bodies, decoded values and answers that requests hold together.

Small requests do not count, because the limit on connections bounds them already. Health checks and metrics hold
nothing here, so a full budget never rejects them.
"""

import math
import resource
from pathlib import Path
from typing import Final

from ..errors import Overloaded

CGROUP_LIMITS: Final = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
# Requests may hold this share of the memory of the machine or of the container.
SHARE: Final = 0.25
MEBIBYTE: Final = 2**20
RETRY_SECONDS: Final = 1.0


class MemoryBudget:
    """Counts the bytes that requests hold.

    Args:
        limit: most bytes.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def check(self, size: int) -> None:
        """Raise Overloaded if `size` more bytes do not fit now; nothing is counted."""
        if self.used + size > self.limit:
            raise Overloaded(
                f"the request needs {math.ceil(size / MEBIBYTE)} MiB and the requests of this process hold "
                f"{self.used // MEBIBYTE} of {self.limit // MEBIBYTE} MiB (DIFFEO_MAX_MEMORY_BYTES); try again later",
                RETRY_SECONDS,
            )

    def reserve(self, size: int) -> None:
        """Count `size` more bytes, which the caller gives back with `release`.

        Raises:
            Overloaded: they do not fit.
        """
        self.check(size)
        self.used += size

    def hold(self, size: int) -> None:
        """Count `size` more bytes that exist already."""
        self.used += size

    def release(self, size: int) -> None:
        """Give back bytes."""
        self.used -= size


def default_limit(processes: int = 1) -> int:
    """A share of the memory of the container, or of the machine, for one of several equal processes."""
    return int(min(_machine_bytes(), *map(_cgroup_bytes, CGROUP_LIMITS), _address_space()) * SHARE / processes)


def _machine_bytes() -> float:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            return float(line.split()[1]) * 1024
    return math.inf


def _cgroup_bytes(path: Path) -> float:
    try:
        text = path.read_text().strip()
    except OSError:
        return math.inf
    return float(text) if text.isdigit() else math.inf


def _address_space() -> float:
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return math.inf if soft == resource.RLIM_INFINITY else float(soft)
