"""Counters that several processes share: each process writes its own file, and every process can add up all files.

A file lies in memory and is locked by the process that writes it. When that process has ended, the next process that
starts takes over the file. So no sum ever decreases, and the number of files stays bounded. A process that gets no file
counts in private memory.

A file is an array of slots. A slot has a key, such as ("graph", "forward", "moons", "1", "float32"), and an array of
float64 values. The module `counters` defines the meaning of each value.
"""

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from .slot_file import VALUES_PER_SLOT, SlotFile, SlotKey, Sums, Values, read_file, slots

# The first value of a slot is a gauge. It describes the present, so it is dropped when its process ends.
GAUGE: Final = 0
# The second value is a time in seconds since 1970. The sum over processes has the latest of their times.
LATEST: Final = 1
# All other values are counters. They are added up, those of ended processes too.
FIRST_COUNTER: Final = 2

log = logging.getLogger("diffeo")


class SharedCounters:
    """The file of this process, and the sums over the files of all processes.

    Args:
        files: the files of all processes. Without files this process is the only one and needs none.

    Example:
        >>> counters = SharedCounters()
        >>> counters.slot("rows", "moons")[FIRST_COUNTER] += 3
        >>> float(counters.sums()["rows", "moons"][FIRST_COUNTER])
        3.0
    """

    def __init__(self, files: Sequence[Path] = ()) -> None:
        self._warned = False
        self._file, self._descriptor, self._others = SlotFile(-1), -1, tuple(files)
        for path in files:
            if (descriptor := _lock(path)) >= 0:
                self._take(path, descriptor)
                break
        if files and self._descriptor < 0:
            self._warn("this process has no file of shared counters: the other processes do not export its counts")
        for number in self._file.numbers.values():
            self._file.values(number)[GAUGE] = 0.0

    def slot(self, *key: str) -> Values:
        """The values that this process counts under a key. A new slot starts with zeros.

        If there is no room, or the key is too long, returns private values that are not exported; serving continues.
        """
        if key not in self._file.numbers and not self._file.add(key):
            self._warn("no room for more shared counters: some counts are not exported")
            return private_values()
        return self._file.values(self._file.numbers[key])

    def keys(self) -> list[SlotKey]:
        """The keys in the file of this process; those that an ended process left there too."""
        return list(self._file.numbers)

    def move(self, key: SlotKey, target: SlotKey) -> Values:
        """Add the counts of one key to those of another one, and forget the first; returns the values of the other.

        A holder of the values of the first key must count into those of the other one from now on.
        """
        total = self.slot(*target)
        self._file.move(key, lambda values: add_values(total, values))
        return total

    def sums(self) -> dict[SlotKey, Sums]:
        """The sum of each slot over all processes, ended processes included.

        Reads the files of all processes, which takes milliseconds: call it on a thread, not on the event loop.
        """
        sums: dict[SlotKey, Sums] = {}
        for content, has_writer in self._contents():
            for _, key, values in slots(content):
                if not has_writer:
                    values[GAUGE] = 0.0
                sums[key] = add(sums[key], values) if key in sums else values
        return sums

    def close(self) -> None:
        """Release the file, so that the next process can take it over."""
        if self._descriptor >= 0:
            # The memory map keeps the file open, and an open file would keep the lock.
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            os.close(self._descriptor)
            self._descriptor = -1

    def _take(self, path: Path, descriptor: int) -> None:
        try:
            self._file = SlotFile(descriptor)
        except OSError:
            os.close(descriptor)
            return
        self._descriptor, self._others = descriptor, tuple(other for other in self._others if other != path)

    def _contents(self) -> Iterator[tuple[bytes, bool]]:
        yield self._file.content(), True
        for path in self._others:
            # A file that has gone has no counts to export.
            with contextlib.suppress(OSError):
                yield read_file(path), _has_writer(path)

    def _warn(self, message: str) -> None:
        # Once: a service with many versions would fill the log.
        if not self._warned:
            log.warning(message)
        self._warned = True


def private_values() -> Values:
    """The values of one slot that belong to no file, so no sum contains them."""
    return memoryview(bytearray(8 * VALUES_PER_SLOT)).cast("d")


def add(first: Sums, second: Sums) -> Sums:
    """The sum of two slots, with the later of their two times."""
    total: Sums = first + second
    total[LATEST] = max(first[LATEST], second[LATEST])
    return total


def add_values(total: Values, values: Values) -> None:
    """Add the values of one slot to another one in place."""
    for index, value in enumerate(values):
        total[index] = max(total[index], value) if index == LATEST else total[index] + value


def _lock(path: Path) -> int:
    """The descriptor of the file, locked for this process; -1 if another one writes it or it cannot be opened."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return -1
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return -1
    return descriptor


def _has_writer(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
