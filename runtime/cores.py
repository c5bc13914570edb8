"""The cores that this process may use: those it is bound to, or fewer where its container has a quota of time."""

import math
import os
from pathlib import Path
from typing import Final

# Inside a container its own control group is the root of what it sees. Version 2, then version 1.
QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")
QUOTA_1: Final = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
PERIOD_1: Final = Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")


def usable_cores() -> int:
    """Whole cores, at least one; a quota of 1.5 is two, because two threads use it best."""
    bound = len(os.sched_getaffinity(0))
    quota = _quota()
    return bound if quota is None else max(1, min(bound, math.ceil(quota)))


def _quota() -> float | None:
    try:
        if QUOTA.exists():
            limit, period = QUOTA.read_text().split()
        else:
            limit, period = QUOTA_1.read_text(), PERIOD_1.read_text()
        return None if limit == "max" or int(limit) <= 0 else int(limit) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        # No control groups, or files of another shape: then nothing limits us that we know of.
        return None
