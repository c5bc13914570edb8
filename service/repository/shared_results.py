"""The results of the preflights of a running service, in a file that all its processes share.

A worker that starts in the place of a dead one reads them, so it checks no version again that another worker has
checked. One line holds the results of one call of `add`. When the file is full, it is written again with the last
result of each version; of very many versions, the older half is forgotten and checked again by the next new worker.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from typing import IO, Final

from . import result
from .result import Check, PreflightResult, PreflightResults
from .scan import VersionKey

# About 60,000 results.
MOST_BYTES: Final = 2**25


class SharedResults:
    """The results in one file.

    Args:
        file: open for reading and writing, or its descriptor; each process has its own object.
    """

    def __init__(self, file: "IO[bytes] | int") -> None:
        self._descriptor = file if isinstance(file, int) else file.fileno()

    def add(self, results: PreflightResults) -> None:
        """Add the results of checks that have ended; results that the file has already change nothing."""
        with self._locked():
            known = self._read()
            new = {key: found for key, found in results.items() if known.get(key) != found}
            if new:
                self._write(known, new)

    def read(self) -> PreflightResults:
        """The last result of each version."""
        with self._locked():
            return self._read()

    def adding(self, check: Check) -> Check:
        """A check that adds each of its results."""

        async def check_and_add(key: VersionKey) -> PreflightResult:
            found = await check(key)
            self.add({key: found})
            return found

        return check_and_add

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    def _read(self) -> PreflightResults:
        content = os.pread(self._descriptor, self._size(), 0)
        found: dict[VersionKey, PreflightResult] = {}
        # A process that was killed may have left half a line.
        for line in content[: content.rfind(b"\n") + 1].splitlines():
            with contextlib.suppress(ValueError):
                found |= result.parse(line.decode())
        return found

    def _write(self, known: PreflightResults, new: PreflightResults) -> None:
        line, at = _line(new), self._size()
        if at + len(line) > MOST_BYTES:
            kept = {key: found for key, found in known.items() if key not in new} | dict(new)
            line, at = _line(kept), 0
            while len(line) > MOST_BYTES // 2:
                kept = dict(list(kept.items())[len(kept) // 2 :])
                line = _line(kept)
            os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, line, at)

    def _size(self) -> int:
        return os.fstat(self._descriptor).st_size


def _line(results: PreflightResults) -> bytes:
    # The line feed before it ends half a line of a process that was killed.
    return b"\n" + result.dump(results).encode() + b"\n"
