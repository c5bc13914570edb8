"""Counts the cores that this process may use: its CPU affinity, or fewer if its container has a CPU quota."""

import math
import os
from pathlib import Path
from typing import Final

# A container sees its own control group as the root. The first file is of version 2, the others of version 1.
QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")
QUOTA_V1: Final = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
PERIOD_V1: Final = Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")


def usable_cores() -> int:
    """Number of cores, at least one. A quota of 1.5 cores counts as two, because two threads use it best."""
    affinity = len(os.sched_getaffinity(0))
    quota = _quota()
    return affinity if quota is None else max(1, min(affinity, math.ceil(quota)))


def _quota() -> float | None:
    try:
        if QUOTA.exists():
            limit, period = QUOTA.read_text().split()
        else:
            limit, period = QUOTA_V1.read_text(), PERIOD_V1.read_text()
        return None if limit == "max" or int(limit) <= 0 else int(limit) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        # No control groups, or files in an unknown format: no quota is known.
        return None
