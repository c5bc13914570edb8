"""Quotas of API keys in rows a second: a token bucket for each key, and the RateLimit headers that show it.

The headers are those of draft-ietf-httpapi-ratelimit-headers-11.
"""

import math
import time
from collections.abc import Callable
from typing import Final

from ..errors import QuotaExceeded

# Rows of so many seconds may come at once.
WINDOW_SECONDS: Final = 1
ROUNDING: Final = 1e-6  # of a row: monotonic time is a float


class Quota:
    """A token bucket. A request is accepted while rows are left, and a large one may take more than are left.

    The next request then waits until they are paid for, so the rate holds on average, and no request is too large for
    its quota.

    Args:
        rows_per_second: the rate.
        clock: monotonic time in seconds.
    """

    def __init__(self, rows_per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.rows_per_second = rows_per_second
        self._clock = clock
        # The time at which all rows accepted so far are paid for.
        self._paid_at = -math.inf

    def charge(self, rows: int) -> None:
        """Accept the rows of a request.

        Raises:
            QuotaExceeded: no row is left; the error carries the time until one is.
        """
        now = self._clock()
        owed = max(0.0, self._paid_at - now)
        if self._left(owed) < 1:
            raise QuotaExceeded(
                f"the quota of this API key is {self.rows_per_second} rows a second; "
                f"it has been used {owed:.1f} seconds in advance",
                owed - WINDOW_SECONDS + 1 / self.rows_per_second,
            )
        self._paid_at = now + owed + rows / self.rows_per_second

    def refund(self, rows: int) -> None:
        """Give back the rows of a request that was rejected after it was charged."""
        self._paid_at -= rows / self.rows_per_second

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers RateLimit-Policy and RateLimit: the rate, the rows that are left, and when all are left again."""
        owed = max(0.0, self._paid_at - self._clock())
        policy = f'"rows";q={self.rows_per_second * WINDOW_SECONDS};qu="rows";w={WINDOW_SECONDS}'
        limit = f'"rows";r={self._left(owed)};t={math.ceil(owed)}'
        return [(b"ratelimit-policy", policy.encode()), (b"ratelimit", limit.encode())]

    def _left(self, owed: float) -> int:
        return max(0, math.floor((WINDOW_SECONDS - owed) * self.rows_per_second + ROUNDING))
