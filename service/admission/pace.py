"""Measures how much longer engine work takes than its estimate, while the engines have more work than they can start.

The estimate of a row comes from calls on an idle machine. Under load the engines share their cores with each other,
with the event loop, with decoding and with other processes. The ratio of elapsed time to estimated work contains all of
it.
"""

from collections.abc import Callable
from typing import Final

# Weight that is left of the earlier measurements when elapsed time of HALF_LIFE_SECONDS is added.
HALF_LIFE_SECONDS: Final = 0.25
# The first estimate counts like this much measured time.
PRIOR_SECONDS: Final = 0.02
SMALLEST: Final = 0.5
LARGEST: Final = 20.0


class Pace:
    """The measured ratio of elapsed time to estimated work.

    Args:
        clock: monotonic time in seconds.

    Attributes:
        slowdown: seconds of elapsed time for each second of estimated work.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.slowdown = 1.0
        self._clock = clock
        self._elapsed = self._estimated = PRIOR_SECONDS
        # The end of the last call after which more work was waiting.
        self._began: float | None = None

    def call_ended(self, estimated_seconds: float, *, more_waits: bool) -> None:
        """Measure from the end of the call before this one.

        Args:
            estimated_seconds: the work of this call.
            more_waits: whether more work waits than the engines can start. Only then is the time until the next call
                ends a measurement.
        """
        now = self._clock()
        if self._began is not None:
            elapsed = now - self._began
            keep = 0.5 ** (elapsed / HALF_LIFE_SECONDS)
            self._elapsed = self._elapsed * keep + elapsed
            self._estimated = self._estimated * keep + estimated_seconds
            self.slowdown = min(LARGEST, max(SMALLEST, self._elapsed / max(self._estimated, 1e-9)))
        self._began = now if more_waits else None
