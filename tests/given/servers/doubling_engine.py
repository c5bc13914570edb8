"""Engines that double their rows, for tests of the batcher, and rows with a number that identifies their request."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from diffeo.runtime.engines.engine import Tensors
from diffeo.runtime.errors import EngineFailed

T = TypeVar("T")
TIMEOUT_SECONDS: Final = 10  # of a test that would hang
# Seconds per row: some rows are computed on the event loop, some thousands are not.
CHEAP: Final = 1e-6
# An engine call with a row of this number fails.
FAILING: Final = 13


class DoublingEngine:
    """z = 2 x; log_prob is the sum of each row."""

    def run(self, tensors: Tensors) -> Tensors:
        return {"z": tensors["x"] * 2, "log_prob": tensors["x"].sum(axis=1)}


class GatedEngine(DoublingEngine):
    """Records the first column of every call, waits until the gate is open, fails on rows of FAILING."""

    def __init__(self) -> None:
        self.calls: list[list[float]] = []
        self.entered = threading.Event()
        self.gate = threading.Event()

    def run(self, tensors: Tensors) -> Tensors:
        self.calls.append(tensors["x"][:, 0].tolist())
        self.entered.set()
        assert self.gate.wait(TIMEOUT_SECONDS)
        if FAILING in self.calls[-1]:
            raise EngineFailed(f"{FAILING}")
        return super().run(tensors)

    async def wait_until_entered(self) -> None:
        """Return once a call is in the engine."""
        assert await asyncio.to_thread(self.entered.wait, TIMEOUT_SECONDS)


def rows_of(number: float, count: int = 1) -> npt.NDArray[np.float32]:
    """`count` rows [count, 2] that are `number` everywhere."""
    return np.full((count, 2), number, dtype=np.float32)


def run_with_timeout(main: Coroutine[object, object, T]) -> T:
    """Run a coroutine; a batcher that never answers fails the test instead of blocking it."""
    return asyncio.run(asyncio.wait_for(main, TIMEOUT_SECONDS))
