"""Ctrl-C during a fit: the fit stops after its current step, and a second Ctrl-C stops the process at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType


class FitInterrupted(KeyboardInterrupt):
    """A fit was stopped by Ctrl-C and can continue from its saved state.

    Attributes:
        has_best: weights better than those of the fresh flow are in the saved state, so they can be published.
    """

    def __init__(self, sentence: str, *, has_best: bool) -> None:
        super().__init__(sentence)
        self.has_best = has_best

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        """For pickle, which brings it from the process of a fit; an exception alone would lose `has_best`."""
        return partial(FitInterrupted, has_best=self.has_best), self.args


class StopRequest:
    """Whether someone asked the fit to stop."""

    def __init__(self) -> None:
        self.requested = False

    def __call__(self) -> bool:
        """True after the first Ctrl-C."""
        return self.requested


@contextmanager
def stop_on_interrupt() -> Iterator[StopRequest]:
    """Turn the first SIGINT inside the block into a request, and the second into KeyboardInterrupt.

    Outside the main thread, Python delivers no signals, so nothing changes there.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def on_interrupt(_number: int, _frame: FrameType | None) -> None:
        if request.requested:
            raise KeyboardInterrupt
        request.requested = True

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield request
    finally:
        signal.signal(signal.SIGINT, before)
