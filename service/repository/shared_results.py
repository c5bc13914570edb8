"""The results of the preflights of a running service, in a file that all its processes share.

A worker that starts in the place of a dead one reads them, so it checks no version again that another worker has
checked. One line holds the results of one check, and is appended with one write, so lines of two processes never mix.
"""

import fcntl
import os
from typing import IO, Final

from . import result
from .result import Check, PreflightResult, PreflightResults
from .scan import VersionKey

# Beyond this size nothing is added: a new worker then checks the newest versions itself.
MOST_BYTES: Final = 2**22


class SharedResults:
    """The results in one file.

    Args:
        file: open for reading and writing, or its descriptor; each process has its own object.
    """

    def __init__(self, file: "IO[bytes] | int") -> None:
        self._descriptor = file if isinstance(file, int) else file.fileno()
        fcntl.fcntl(self._descriptor, fcntl.F_SETFL, fcntl.fcntl(self._descriptor, fcntl.F_GETFL) | os.O_APPEND)

    def add(self, results: PreflightResults) -> None:
        """Add the results of checks that have ended."""
        line = result.dump(results).encode() + b"\n"
        if self._size() + len(line) <= MOST_BYTES:
            os.write(self._descriptor, line)

    def read(self) -> PreflightResults:
        """The last result of each version."""
        content = os.pread(self._descriptor, self._size(), 0)
        found: dict[VersionKey, PreflightResult] = {}
        for line in content[: content.rfind(b"\n") + 1].splitlines():
            found |= result.parse(line.decode())
        return found

    def adding(self, check: Check) -> Check:
        """A check that adds each of its results."""

        async def check_and_add(key: VersionKey) -> PreflightResult:
            found = await check(key)
            self.add({key: found})
            return found

        return check_and_add

    def _size(self) -> int:
        return os.fstat(self._descriptor).st_size
