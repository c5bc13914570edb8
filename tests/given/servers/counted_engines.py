"""Engines that a batcher's test looks into, and rows that are told apart."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import TypeVar

import numpy as np

from diffeo.runtime.engines.engine import Tensors
from diffeo.runtime.errors import EngineFailed

T = TypeVar("T")
SECONDS = 10  # how long a test waits for what happens at once
CHEAP = 1e-6  # seconds a row: some rows are computed on the loop, some thousands are not


class Doubling:
    """z = 2 x, and the sum of each row."""

    def run(self, tensors: Tensors) -> Tensors:
        return {"z": tensors["x"] * 2, "log_prob": tensors["x"].sum(axis=1)}


class Gated(Doubling):
    """Notes the first column of every call, waits for the gate, fails on 13."""

    def __init__(self) -> None:
        self.calls: list[list[float]] = []
        self.entered = threading.Event()
        self.gate = threading.Event()

    def run(self, tensors: Tensors) -> Tensors:
        self.calls.append(tensors["x"][:, 0].tolist())
        self.entered.set()
        assert self.gate.wait(SECONDS)
        if 13 in self.calls[-1]:
            raise EngineFailed("13")
        return super().run(tensors)

    async def busy(self) -> None:
        """Returns once a call is in the engine."""
        assert await asyncio.to_thread(self.entered.wait, SECONDS)


def marked(mark: float, rows: int = 1) -> np.ndarray:
    return np.full((rows, 2), mark, dtype=np.float32)


def within_seconds(main: Coroutine[object, object, T]) -> T:
    """What `main` returns; a batcher that forgets a caller fails instead of waiting for ever."""
    return asyncio.run(asyncio.wait_for(main, SECONDS))
