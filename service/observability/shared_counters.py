"""Counters that several processes share: each process writes its own file, and every process can add up all files.

A file lies in memory and is locked by the process that writes it. When that process has ended, the next process that
starts takes over the file. So no sum ever decreases, and the number of files stays bounded.

A file is an array of slots. A slot has a key, such as ("graph", "forward", "moons", "1", "float32"), and an array of
float64 values. The module `counters` defines the meaning of each value.
"""

import contextlib
import fcntl
import logging
import mmap
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Values: TypeAlias = "memoryview[float]"
SlotKey = tuple[str, ...]
Sums = npt.NDArray[np.float64]

SLOTS: Final = 1024
SLOT_BYTES: Final = 2048
KEY_BYTES: Final = 256
VALUES_PER_SLOT: Final = (SLOT_BYTES - KEY_BYTES) // 8
# The first value of a slot is a gauge. It describes the present, so it is dropped when its process ends.
GAUGE: Final = 0
# The second value is a time in seconds since 1970. The sum over processes has the latest of their times.
LATEST: Final = 1
# All other values are counters. They are added up, those of ended processes too.
FIRST_COUNTER: Final = 2
KEY_SEPARATOR: Final = "\n"

log = logging.getLogger("diffeo")


class SharedCounters:
    """The file of this process, and the sums over the files of all processes.

    Args:
        folder: holds the files of all processes. Without a folder this process is the only one and needs no file.

    Example:
        >>> counters = SharedCounters()
        >>> counters.slot("rows", "moons")[FIRST_COUNTER] += 3
        >>> float(counters.sums()["rows", "moons"][FIRST_COUNTER])
        3.0
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._descriptor = -1 if folder is None else _claim_file(folder)
        self._memory = mmap.mmap(self._descriptor, SLOTS * SLOT_BYTES)
        self._numbers = {key: number for number, (key, _) in enumerate(_slots(self._memory))}
        for number in self._numbers.values():
            self._values(number)[GAUGE] = 0.0

    def slot(self, *key: str) -> Values:
        """The values that this process counts under a key. A new slot starts with zeros.

        If the file is full, or the key is too long, returns private values that are not exported; serving continues.
        """
        if key not in self._numbers and not self._add(key):
            log.warning("no room in the file of shared counters: this key is not exported", extra={"key": key})
            return private_values()
        return self._values(self._numbers[key])

    def sums(self) -> dict[SlotKey, Sums]:
        """The sum of each slot over all processes, ended processes included.

        Reads the files of all processes, which takes milliseconds: call it on a thread, not on the event loop.
        """
        sums: dict[SlotKey, Sums] = {}
        for content, has_writer in self._files():
            for key, values in _slots(content):
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

    def _files(self) -> Iterator[tuple[bytes | mmap.mmap, bool]]:
        if self._folder is None:
            yield self._memory, True
            return
        for path in self._folder.iterdir():
            yield path.read_bytes(), _has_writer(path)

    def _values(self, number: int) -> Values:
        start = number * SLOT_BYTES + KEY_BYTES
        return memoryview(self._memory)[start : start + 8 * VALUES_PER_SLOT].cast("d")

    def _add(self, key: SlotKey) -> bool:
        name, number = KEY_SEPARATOR.join(key).encode(), len(self._numbers)
        if number == SLOTS or len(name) > KEY_BYTES or not self._allocate(number):
            return False
        start = number * SLOT_BYTES
        # The first byte is written last: until then a concurrent reader sees the end of the file, never half a key.
        self._memory[start + 1 : start + len(name)] = name[1:]
        self._memory[start] = name[0]
        self._numbers[key] = number
        return True

    def _allocate(self, number: int) -> bool:
        # Writing to mapped memory that the system cannot provide kills the process. Allocating it first gives an error.
        try:
            if self._descriptor >= 0:
                os.posix_fallocate(self._descriptor, number * SLOT_BYTES, SLOT_BYTES)
        except OSError:
            return False
        return True


def private_values() -> Values:
    """The values of one slot that belong to no file, so no sum contains them."""
    return memoryview(bytearray(8 * VALUES_PER_SLOT)).cast("d")


def add(first: Sums, second: Sums) -> Sums:
    """The sum of two slots, with the later of their two times."""
    total: Sums = first + second
    total[LATEST] = max(first[LATEST], second[LATEST])
    return total


def _slots(content: bytes | mmap.mmap) -> Iterator[tuple[SlotKey, Sums]]:
    for start in range(0, len(content), SLOT_BYTES):
        if not content[start]:
            return
        name = content[start : start + KEY_BYTES].rstrip(b"\0").decode()
        values = content[start + KEY_BYTES : start + SLOT_BYTES]
        yield tuple(name.split(KEY_SEPARATOR)), np.frombuffer(values, np.float64).copy()


def _claim_file(folder: Path) -> int:
    """Lock a file that no process writes, or a new file; returns its descriptor."""
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDWR)
        if _lock(descriptor):
            return descriptor
    descriptor, _ = tempfile.mkstemp(dir=folder)
    # Another process that starts at the same moment may have found and locked the new file first.
    return descriptor if _lock(descriptor) else _claim_file(folder)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    os.ftruncate(descriptor, SLOTS * SLOT_BYTES)
    return True


def _has_writer(path: Path) -> bool:
    with path.open("rb") as file, contextlib.suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    return True
