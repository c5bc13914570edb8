"""An event loop whose clock skips the times in which it would wait, so that timers are tested exactly and at once."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")
Events = list[tuple[selectors.SelectorKey, int]]


class SkippingSelector(selectors.DefaultSelector):
    """Returns at once; the time that it would have waited is added to `skipped`."""

    skipped = 0.0

    def select(self, timeout: float | None = None) -> Events:
        """The events that are ready now."""
        ready: Events = super().select(0)
        if not ready and timeout:
            self.skipped += timeout
        return ready


class SkippingLoop(asyncio.SelectorEventLoop):
    """An event loop in which a sleep of an hour takes no time, and nothing takes time but a sleep."""

    def __init__(self) -> None:
        self._skipping = SkippingSelector()
        super().__init__(self._skipping)

    def time(self) -> float:
        """The seconds that were skipped."""
        return self._skipping.skipped


def run(scenario: Coroutine[object, object, T]) -> T:
    """The result of a coroutine in a loop of its own."""
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        return runner.run(scenario)
