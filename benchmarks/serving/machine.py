"""What a machine is, in a few words."""

import os
from pathlib import Path


def machine() -> str:
    """Cores, processor, memory."""
    lines = Path("/proc/cpuinfo").read_text(encoding="ascii").splitlines()
    processor = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return f"{len(os.sched_getaffinity(0))} cores ({processor}), {memory:.0f} GiB"
