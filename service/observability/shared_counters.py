"""Numbers that several processes count and each can add up: every process writes a book of its own and reads all.

A book is a file in memory, locked by the process that writes it. Once that process has ended, the next one to start
takes the book over, so that no sum ever goes back and no books pile up.
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

Cells: TypeAlias = "memoryview[float]"
Key = tuple[str, ...]
Sums = npt.NDArray[np.float64]

PAGES: Final = 512
PAGE_BYTES: Final = 2048
KEY_BYTES: Final = 256
CELLS: Final = (PAGE_BYTES - KEY_BYTES) // 8
# The first cell of a page is a level and ends with its process; the others are counts and do not.
LEVEL: Final = 0
BETWEEN: Final = "\n"

log = logging.getLogger("diffeo")


class SharedCounters:
    """The book of this process, and a view of all.

    Args:
        folder: where the books of all processes are; without one this process is alone and needs no file.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._descriptor = -1 if folder is None else _take_over(folder)
        self._memory = mmap.mmap(self._descriptor, PAGES * PAGE_BYTES)
        self._numbers = {key: number for number, (key, _) in enumerate(_pages(self._memory))}
        for number in self._numbers.values():
            self._cells(number)[LEVEL] = 0.0

    def page(self, *key: str) -> Cells:
        """The numbers that this process counts under a key, all 0 at first.

        Where there is no room, numbers that no sum holds: a service goes on when nobody can count it.
        """
        if key not in self._numbers and not self._add(key):
            log.warning("no room to count", extra={"key": key})
            return alone()
        return self._cells(self._numbers[key])

    def sums(self) -> dict[Key, Sums]:
        """The numbers of all processes under each key, of those that ended too."""
        sums: dict[Key, Sums] = {}
        for book, written in self._books():
            for key, cells in _pages(book):
                if not written:
                    cells[LEVEL] = 0.0
                sums[key] = sums[key] + cells if key in sums else cells
        return sums

    def close(self) -> None:
        """Leave the book to the next process."""
        if self._descriptor >= 0:
            # The mapping holds the file open, and would hold the lock.
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            os.close(self._descriptor)
            self._descriptor = -1

    def _books(self) -> Iterator[tuple[bytes | mmap.mmap, bool]]:
        if self._folder is None:
            yield self._memory, True
            return
        for path in self._folder.iterdir():
            yield path.read_bytes(), _is_written(path)

    def _cells(self, number: int) -> Cells:
        begin = number * PAGE_BYTES + KEY_BYTES
        return memoryview(self._memory)[begin : begin + 8 * CELLS].cast("d")

    def _add(self, key: Key) -> bool:
        name, number = BETWEEN.join(key).encode(), len(self._numbers)
        if number == PAGES or len(name) > KEY_BYTES or not self._has_room(number):
            return False
        begin = number * PAGE_BYTES
        # The first byte last: who reads meanwhile sees the end of the book, never half a name.
        self._memory[begin + 1 : begin + len(name)] = name[1:]
        self._memory[begin] = name[0]
        self._numbers[key] = number
        return True

    def _has_room(self, number: int) -> bool:
        # Memory that is mapped and cannot be had ends the process; asked for beforehand it is an error like others.
        try:
            if self._descriptor >= 0:
                os.posix_fallocate(self._descriptor, number * PAGE_BYTES, PAGE_BYTES)
        except OSError:
            return False
        return True


def alone() -> Cells:
    """Numbers that only their holder sees."""
    return memoryview(bytearray(8 * CELLS)).cast("d")


def _pages(book: bytes | mmap.mmap) -> Iterator[tuple[Key, Sums]]:
    for begin in range(0, len(book), PAGE_BYTES):
        if not book[begin]:
            return
        name = book[begin : begin + KEY_BYTES].rstrip(b"\0").decode()
        cells = book[begin + KEY_BYTES : begin + PAGE_BYTES]
        yield tuple(name.split(BETWEEN)), np.frombuffer(cells, np.float64).copy()


def _take_over(folder: Path) -> int:
    """A book that nobody writes, else a new one; this process writes it from now on."""
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDWR)
        if _is_ours(descriptor):
            return descriptor
    descriptor, _ = tempfile.mkstemp(dir=folder)
    # Another process that starts now may have come upon the new file first.
    return descriptor if _is_ours(descriptor) else _take_over(folder)


def _is_ours(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    os.ftruncate(descriptor, PAGES * PAGE_BYTES)
    return True


def _is_written(path: Path) -> bool:
    with path.open("rb") as book, contextlib.suppress(BlockingIOError):
        fcntl.flock(book, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    return True
