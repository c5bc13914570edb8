"""Describes the machine that runs a benchmark: cores, processor, memory."""

import os
from pathlib import Path


def processor() -> str:
    """The processor's model name as Linux reports it."""
    lines = Path("/proc/cpuinfo").read_text(encoding="ascii").splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")


def machine() -> str:
    """Usable cores, processor and memory, for example `2 cores (AMD EPYC), 24 GiB`."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return f"{len(os.sched_getaffinity(0))} cores ({processor()}), {memory:.0f} GiB"
