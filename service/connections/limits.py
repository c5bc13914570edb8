"""The limits of one connection: bytes of a head, seconds of each stage, and the slowest pace."""

from dataclasses import dataclass
from typing import Self

from ..settings import Settings
from .memory import default_limit


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The limits of every connection of a process.

    Attributes:
        head_bytes: most bytes of a request line and its headers.
        target_bytes: most bytes of a request target.
        fields: most headers of a request.
        framing_bytes: most bytes of chunk sizes, extensions and trailers beyond the bytes of the body itself.
        pipelined: most requests of one connection that wait for an earlier answer.
        head_seconds: time for a head, from its first byte; and for that first byte, from the start of the connection.
        body_seconds: time for a body, from the first byte of its request, beside what `bytes_per_second` adds.
        write_seconds: time for a client to take what is sent to it, beside what `bytes_per_second` adds.
        bytes_per_second: bytes received or taken extend the time for a body or an answer at this pace.
        keep_alive_seconds: how long a connection stays open between two requests.
        linger_seconds: how long the rest of a body is discarded after an early answer, before the connection is closed.
        linger_bytes: most bytes that are discarded so.
        kept_bytes: up to this rest of a body, the connection is kept after an early answer.
        rejected_seconds: how long the next request of a connection waits after one was rejected for overload.
        max_connections: most connections of a process.
        max_memory_bytes: most bytes that the requests of a process hold together.
        max_wait_seconds: longest wait of a request for the start of its handler.
    """

    head_bytes: int = 16 * 1024
    target_bytes: int = 8 * 1024
    fields: int = 100
    framing_bytes: int = 16 * 1024
    pipelined: int = 64
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    write_seconds: float = 30.0
    bytes_per_second: int = 16 * 1024
    keep_alive_seconds: float = 75.0
    linger_seconds: float = 10.0
    linger_bytes: int = 2**28
    kept_bytes: int = 256 * 1024
    rejected_seconds: float = 0.01
    max_connections: int = 4096
    max_memory_bytes: int = 2**30
    max_wait_seconds: float = 0.06

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The limits that the settings name."""
        return cls(
            head_seconds=settings.head_seconds,
            body_seconds=settings.body_seconds,
            write_seconds=settings.write_seconds,
            keep_alive_seconds=settings.keep_alive_seconds,
            bytes_per_second=settings.min_bytes_per_second,
            max_connections=settings.max_connections,
            max_memory_bytes=settings.max_memory_bytes or default_limit(settings.workers),
            max_wait_seconds=settings.max_wait_ms / 1000,
        )

    @property
    def sweep_seconds(self) -> float:
        """Time between two sweeps over all connections: a fraction of the shortest time limit."""
        shortest = min(self.head_seconds, self.body_seconds, self.write_seconds, self.keep_alive_seconds)
        return min(0.5, shortest / 4)
