"""The values that a worker needs to start, as the file that its supervisor leaves for it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True)
class WorkerStart:
    """The values that all workers of a service start with.

    Attributes:
        settings: the settings as JSON.
        results: descriptor of the file of the preflight results.
        listeners: descriptors of the listening sockets.
        counters: descriptors of the files of the shared counters.
    """

    settings: str
    results: int
    listeners: tuple[int, ...]
    counters: tuple[int, ...]

    def write(self, file: IO[bytes]) -> None:
        """Write the values to an empty file."""
        file.write(TypeAdapter(WorkerStart).dump_json(self))
        file.flush()

    @classmethod
    def read(cls, descriptor: int) -> Self:
        """The values in a file that another process has open too."""
        return TypeAdapter(cls).validate_json(os.pread(descriptor, os.fstat(descriptor).st_size, 0))

    @property
    def counter_files(self) -> list[Path]:
        """The files of the shared counters as paths, so that this process can lock them for itself."""
        return [Path(f"/proc/self/fd/{number}") for number in self.counters]
