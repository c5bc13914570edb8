"""A file of slots in shared memory that grows when it is full, and how another process reads it.

A slot has a key and an array of float64 values. The first slot has no key: it holds the generation of the file.
"""

import mmap
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Values: TypeAlias = "memoryview[float]"
SlotKey = tuple[str, ...]
Sums = npt.NDArray[np.float64]

# A file grows by this many slots.
SEGMENT_SLOTS: Final = 256
MAXIMUM_SEGMENTS: Final = 512  # 256 MiB; a version of a model takes five slots, or a few more
SLOT_BYTES: Final = 2048
SEGMENT_BYTES: Final = SEGMENT_SLOTS * SLOT_BYTES
KEY_BYTES: Final = 256
VALUES_PER_SLOT: Final = (SLOT_BYTES - KEY_BYTES) // 8
SLOT: Final = np.dtype([("key", f"S{KEY_BYTES}"), ("values", np.float64, VALUES_PER_SLOT)])
KEY_SEPARATOR: Final = "\n"
# The slot of the generation, which is odd while values move between slots. A reader reads again if it changed.
GENERATION_SLOT: Final = 0
READS: Final = 20
READ_AGAIN_SECONDS: Final = 0.001


class SlotFile:
    """The slots of one process.

    Args:
        descriptor: of the file, which may have slots of an ended process; -1 for private memory.

    Raises:
        OSError: the system has no room for the file.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._segments: list[mmap.mmap] = []
        for _ in range(max(1, self._file_bytes() // SEGMENT_BYTES)):
            self._map_segment()
        if not self._allocate(GENERATION_SLOT):
            raise OSError("no room for a file of slots")
        self.values(GENERATION_SLOT)[0] = 0.0
        self.numbers = {key: number for number, key, _ in slots(self.content())}
        used = {GENERATION_SLOT, *self.numbers.values()}
        self._free = [number for number in range(self._count) if number not in used]

    def values(self, number: int) -> Values:
        """The values of a slot."""
        return self._memory(number)[KEY_BYTES:].cast("d")

    def add(self, key: SlotKey) -> bool:
        """Give a free slot to the key; False if there is no room, or the key is too long."""
        name = KEY_SEPARATOR.join(key).encode()
        if len(name) > KEY_BYTES or not (self._free or self._grow()) or not self._allocate(self._free[-1]):
            return False
        number = self._free.pop()
        memory = self._memory(number)
        # The first byte is written last: until then a concurrent reader sees a free slot, never half a key.
        # A process that was killed here may have left a part of a longer key.
        memory[1:KEY_BYTES] = name[1:].ljust(KEY_BYTES - 1, b"\0")
        memory[0] = name[0]
        self.numbers[key] = number
        return True

    def move(self, key: SlotKey, add: Callable[[Values], None]) -> None:
        """Free the slot of the key; `add` must add its values to another slot."""
        number, generation = self.numbers.pop(key), self.values(GENERATION_SLOT)
        generation[0] += 1
        add(self.values(number))
        self._memory(number)[:] = bytes(SLOT_BYTES)
        generation[0] += 1
        self._free.append(number)

    def content(self) -> bytes:
        """A copy of all slots."""
        return _settled(
            lambda: b"".join(bytes(segment) for segment in self._segments), lambda: self.values(GENERATION_SLOT)[0]
        )

    @property
    def _count(self) -> int:
        return len(self._segments) * SEGMENT_SLOTS

    def _memory(self, number: int) -> "memoryview[int]":
        segment, place = divmod(number, SEGMENT_SLOTS)
        return memoryview(self._segments[segment])[place * SLOT_BYTES : (place + 1) * SLOT_BYTES]

    def _grow(self) -> bool:
        if len(self._segments) == MAXIMUM_SEGMENTS:
            return False
        first = self._count
        try:
            self._map_segment()
        except OSError:
            return False
        self._free.extend(range(first, self._count))
        return True

    def _map_segment(self) -> None:
        if self._descriptor < 0:
            self._segments.append(mmap.mmap(-1, SEGMENT_BYTES))
            return
        start = len(self._segments) * SEGMENT_BYTES
        if self._file_bytes() < start + SEGMENT_BYTES:
            os.ftruncate(self._descriptor, start + SEGMENT_BYTES)
        self._segments.append(mmap.mmap(self._descriptor, SEGMENT_BYTES, offset=start))

    def _file_bytes(self) -> int:
        return os.fstat(self._descriptor).st_size if self._descriptor >= 0 else 0

    def _allocate(self, number: int) -> bool:
        # Writing to mapped memory that the system cannot provide kills the process. Allocating it first gives an error.
        try:
            if self._descriptor >= 0:
                os.posix_fallocate(self._descriptor, number * SLOT_BYTES, SLOT_BYTES)
        except OSError:
            return False
        return True


def slots(content: bytes) -> Iterator[tuple[int, SlotKey, Sums]]:
    """The number, the key and a copy of the values of each used slot."""
    table = np.frombuffer(content, SLOT)
    first_bytes = np.frombuffer(content, np.uint8)[::SLOT_BYTES]
    used = np.flatnonzero(first_bytes)
    keys, values = table["key"][used].tolist(), table["values"][used]
    for number, name, row in zip(used.tolist(), keys, values, strict=True):
        yield number, tuple(name.decode().split(KEY_SEPARATOR)), row


def read_file(path: Path) -> bytes:
    """The content of the file of another process."""
    with path.open("rb", buffering=0) as file:
        return _settled(path.read_bytes, lambda: _generation(os.pread(file.fileno(), SLOT_BYTES, 0)))


def _settled(read: Callable[[], bytes], generation: Callable[[], float]) -> bytes:
    """A content during whose reading no values moved."""
    for _ in range(READS):
        before, content = generation(), read()
        if before == generation() and before % 2 == 0:
            break
        time.sleep(READ_AGAIN_SECONDS)
    return content


def _generation(first_slot: bytes) -> float:
    return float(np.frombuffer(first_slot, SLOT)["values"][0, 0]) if first_slot else 0.0
