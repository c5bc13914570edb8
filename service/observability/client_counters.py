"""Counts the requests and rows of one API key. Its name comes from the settings, so no client creates a time series."""

from typing import Final, Self

from .counters import SlotCounters
from .shared_counters import FIRST_COUNTER, SharedCounters

# The first part of the slot's key.
CLIENT: Final = "client"
# Indices into the slot.
REQUESTS: Final = FIRST_COUNTER
ROWS: Final = FIRST_COUNTER + 1
# By problem type, where the requests stand that were turned away before they reached an endpoint.
REJECTIONS: Final = {
    "unauthorized": FIRST_COUNTER + 2,
    "forbidden": FIRST_COUNTER + 3,
    "cross-site": FIRST_COUNTER + 4,
    "host-not-allowed": FIRST_COUNTER + 5,
    "unsupported-format": FIRST_COUNTER + 6,
    "overloaded": FIRST_COUNTER + 7,
    "malformed-request": FIRST_COUNTER + 8,
    "head-too-large": FIRST_COUNTER + 9,
    "target-too-long": FIRST_COUNTER + 10,
    "request-timeout": FIRST_COUNTER + 11,
    "too-many-connections": FIRST_COUNTER + 12,
    # Connections that are closed without an answer.
    "slow-reader": FIRST_COUNTER + 13,
    "silent": FIRST_COUNTER + 14,
}


class ClientCounters(SlotCounters):
    """Requests and rows of one key, or of all requests without a valid key."""

    __slots__ = ()

    @classmethod
    def bound_to(cls, shared: SharedCounters, name: str) -> Self:
        """The counters of the key with this name; an empty name stands for requests without a valid key."""
        counters = cls()
        counters.bind(shared.slot(CLIENT, name))
        return counters

    def count_request(self) -> None:
        """Count one request that the key allows."""
        self._values[REQUESTS] += 1.0

    def count_rows(self, rows: int) -> None:
        """Count rows that were sent or asked for with the key."""
        self._values[ROWS] += rows

    def count_rejected(self, problem: str) -> None:
        """Count one request that was turned away."""
        self._values[REJECTIONS[problem]] += 1.0
