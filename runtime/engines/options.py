"""Options of an engine: on which device it computes, and how many rows and calls at a time."""

from dataclasses import dataclass
from typing import Literal

Provider = Literal["cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How an engine computes.

    Attributes:
        execution_providers: devices in order of preference; the first one must be there.
        chunk_rows: most rows of one call.
        threads: calls at the same time.
        keeps_memory: True if the memory of a call is kept for the next one. It is faster, but hides what a call takes.
    """

    execution_providers: tuple[Provider, ...] = ("cpu",)
    chunk_rows: int = 1024
    threads: int = 1
    keeps_memory: bool = True
