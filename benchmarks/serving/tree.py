"""A server as Linux sees it: every process below its keeper, their processor time and their memory, from /proc."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
TICKS: Final = os.sysconf("SC_CLK_TCK")
PAGE: Final = os.sysconf("SC_PAGE_SIZE")
# Fields of /proc/PID/stat after the name, which may itself hold spaces and brackets.
PARENT: Final = 1
OWN: Final = slice(11, 13)
ENDED_CHILDREN: Final = slice(13, 15)

# A process may end between being listed and being read.
GONE: Final = (FileNotFoundError, ProcessLookupError)


def below(root: int) -> list[int]:
    """Processes that descend from `root`, without itself."""
    children: dict[int, list[int]] = {}
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            with suppress(*GONE):
                children.setdefault(int(_fields(int(folder.name))[PARENT]), []).append(int(folder.name))
    found: list[int] = []
    waiting = [root]
    while waiting:
        own = children.get(waiting.pop(), [])
        found += own
        waiting += own
    return found


def cpu_seconds(root: int) -> float:
    """Processor time of everything below `root`, alive or ended; without its own."""
    ticks = sum(map(int, _fields(root)[ENDED_CHILDREN]))
    for pid in below(root):
        with suppress(*GONE):
            fields = _fields(pid)
            ticks += sum(map(int, fields[OWN] + fields[ENDED_CHILDREN]))
    return ticks / TICKS


def shared_out_bytes(root: int) -> int:
    """Memory below `root`: the sum of the proportional set sizes, in which a page of n processes counts 1/n in each."""
    total = 0
    for pid in below(root):
        with suppress(*GONE):
            lines = (PROC / str(pid) / "smaps_rollup").read_text(encoding="ascii").splitlines()
            total += next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def resident_bytes(pids: list[int]) -> int:
    """The sum of the resident set sizes: cheap enough to be read fifty times a second."""
    total = 0
    for pid in pids:
        with suppress(*GONE):
            total += int((PROC / str(pid) / "statm").read_text(encoding="ascii").split()[1]) * PAGE
    return total


def _fields(pid: int) -> list[str]:
    return (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
