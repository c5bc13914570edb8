"""All connections of one process: sweeps over their time limits, and keeps their number below a limit."""

import asyncio
import logging
import os
import resource
from collections import Counter, deque
from collections.abc import Callable
from time import monotonic
from typing import Final, Protocol

from .limits import ConnectionLimits
from .memory import MemoryBudget
from .overload.rejection_pauses import RejectionPauses
from .overload.starts import Starts

# Descriptors that stay free for the files of bundles, for new models and their preflight.
FILE_ROOM: Final = 64
# Beyond the limit, this many connections more are read, because each may be a health check.
EXTRA: Final = 16
# One line of the log counts all requests of one kind that were turned away in this time.
REPORT_SECONDS: Final = 10.0

# Key of the state of the application: a function that counts a request which was turned away, by its problem type.
COUNT_REJECTED: Final = "count_rejected"

log = logging.getLogger("diffeo")


class Connection(Protocol):
    """The part of a connection that the registry uses."""

    since: float

    @property
    def is_idle(self) -> bool:
        """True between two requests."""
        ...

    def check(self, now: float) -> None:
        """Close it if a time limit has passed."""
        ...

    def close_idle(self) -> None:
        """Close a connection between two requests."""
        ...

    def turn_away(self) -> None:
        """Answer that there are too many connections, if nothing was answered yet, and close at once."""
        ...


class Connections:
    """The connections of one process.

    Args:
        limits: the time limits and the largest number.
        memory: what all requests hold together.
        count_rejected: counts a request that was turned away, for the metrics.
    """

    def __init__(
        self,
        limits: ConnectionLimits,
        memory: MemoryBudget | None = None,
        count_rejected: Callable[[str], None] | None = None,
    ) -> None:
        self.limits = limits
        self.memory = memory or MemoryBudget(limits.max_memory_bytes)
        self.starts = Starts(limits.max_wait_seconds)
        self.rejection_pauses = RejectionPauses(limits.rejected_seconds, self.starts.room)
        most = min(limits.max_connections, _free_descriptors())
        self._extra = max(1, min(EXTRA, most // 3))
        self._most = max(1, most - self._extra)
        self._open: set[Connection] = set()
        self._idle: list[Connection] = []
        self._beyond: deque[Connection] = deque()
        self._turned_away: Counter[str] = Counter()
        self._count_rejected = count_rejected
        self._reported = monotonic()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> bool:
        """Add a new connection; True if it is beyond the limit, so that only a health check on it is answered.

        At the limit, the connection that is idle for the longest time makes room.
        """
        self._open.add(connection)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.limits.sweep_seconds, self._sweep)
        if len(self._open) <= self._most or self._close_oldest_idle():
            return False
        self._beyond.append(connection)
        if len(self._beyond) > self._extra:
            # A health check sends its request at once. The oldest of these has had the most time for it. It closes
            # at once, in whatever state it is; else the limit on connections would be none.
            self._beyond.popleft().turn_away()
        return True

    def remove(self, connection: Connection) -> None:
        """Forget a closed connection."""
        self._open.discard(connection)
        if self._beyond and connection in self._beyond:
            self._beyond.remove(connection)

    def count(self, problem: str) -> None:
        """Count a request that was turned away before it reached the application, for the log and the metrics."""
        self._turned_away[problem] += 1
        if self._count_rejected is not None:
            self._count_rejected(problem)

    def _close_oldest_idle(self) -> bool:
        if not self._idle:
            return False
        while self._idle:
            connection = self._idle.pop()
            if connection.is_idle and connection in self._open:
                connection.close_idle()
                return True
        return False

    def _sweep(self) -> None:
        now = monotonic()
        for connection in [*self._open]:
            connection.check(now)
        if len(self._open) > self._most // 2:
            idle = [connection for connection in self._open if connection.is_idle]
            self._idle = sorted(idle, key=_since, reverse=True)
        if self._turned_away and now - self._reported > REPORT_SECONDS:
            self._report(now)
        # The last sweep comes after the last connection, so that an idle process sleeps.
        again = self._open or self._turned_away
        self._timer = asyncio.get_running_loop().call_later(self.limits.sweep_seconds, self._sweep) if again else None

    def _report(self, now: float) -> None:
        self._reported = now
        for problem, number in self._turned_away.items():
            log.warning("requests were turned away before they were read", extra={"problem": problem, "count": number})
        self._turned_away.clear()


def _since(connection: Connection) -> float:
    return connection.since


def raise_file_limit() -> None:
    """Raise the soft limit of open files to the hard limit, as far as connections can use it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _free_descriptors() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  (names are enough)
    free = soft - used
    return free - min(FILE_ROOM, max(8, free // 4))
