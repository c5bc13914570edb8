"""The results of the preflights of a running service, in a file that all its processes share.

A worker that starts in the place of a dead one reads them, so it checks no version again that another worker has
checked. After a mark, one line holds the results of one call of `add`. Each process parses only the lines that are new
to it. When the file is full, it is written again with another mark and the last result of each version; of very many
versions, the older half is forgotten and checked again by the next new worker.
"""

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Final

from ..offload import in_thread
from . import result
from .result import Check, PreflightResult, PreflightResults
from .scan import VersionKey

# About 60,000 results.
MOST_BYTES: Final = 2**25
# Random, so that a process notices that another one has written the file again, even if it is as long as before.
MARK_BYTES: Final = 8


class SharedResults:
    """The results in one file.

    Args:
        file: open for reading and writing, or its descriptor; each process has its own object.
    """

    def __init__(self, file: "IO[bytes] | int") -> None:
        self._descriptor = file if isinstance(file, int) else file.fileno()
        # The lock of the file is one for the whole process, so its threads need one of their own.
        self._threads = threading.Lock()
        self._known: dict[VersionKey, PreflightResult] = {}
        self._mark = b""
        self._end = MARK_BYTES  # of the lines that are known

    def add(self, results: PreflightResults) -> None:
        """Add the results of checks that have ended; results that the file has already change nothing."""
        with self._locked():
            self._read()
            new = {key: found for key, found in results.items() if self._known.get(key) != found}
            if new:
                self._write(new)

    def read(self) -> PreflightResults:
        """The last result of each version."""
        with self._locked():
            self._read()
            return dict(self._known)

    def adding(self, check: Check) -> Check:
        """A check that adds each of its results."""
        # Another process may hold the lock. Neither the event loop nor a thread that requests need waits for it.
        thread = ThreadPoolExecutor(1, thread_name_prefix="results")

        async def check_and_add(key: VersionKey) -> PreflightResult:
            found = await check(key)
            await in_thread(self.add, {key: found}, executor=thread)
            return found

        return check_and_add

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with self._threads:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    def _read(self) -> None:
        mark = os.pread(self._descriptor, MARK_BYTES, 0)
        if mark != self._mark:
            self._known, self._mark, self._end = {}, mark, MARK_BYTES
        content = os.pread(self._descriptor, max(0, self._size() - self._end), self._end)
        # A process that was killed may have left half a line.
        lines = content[: content.rfind(b"\n") + 1]
        for line in lines.splitlines():
            with contextlib.suppress(ValueError):
                self._known |= result.parse(line.decode())
        self._end += len(lines)

    def _write(self, new: PreflightResults) -> None:
        line, at = _line(new), self._size()
        if at < MARK_BYTES:
            self._write_again(line)
        elif at + len(line) <= MOST_BYTES:
            os.pwrite(self._descriptor, line, at)
        else:
            kept = {key: found for key, found in self._known.items() if key not in new} | dict(new)
            line = _line(kept)
            while len(line) > MOST_BYTES // 2:
                kept = dict(list(kept.items())[len(kept) // 2 :])
                line = _line(kept)
            self._write_again(line)

    def _write_again(self, line: bytes) -> None:
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, os.urandom(MARK_BYTES) + line, 0)

    def _size(self) -> int:
        return os.fstat(self._descriptor).st_size


def _line(results: PreflightResults) -> bytes:
    # The line feed before it ends half a line of a process that was killed.
    return b"\n" + result.dump(results).encode() + b"\n"
