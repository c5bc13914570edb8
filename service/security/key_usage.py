"""Counts the requests and rows of each API key, and charges the rows against its quota."""

from collections.abc import Mapping
from typing import Final

from starlette.types import Scope

from ..observability.client_counters import ClientCounters
from ..observability.shared_counters import SharedCounters
from .api_keys import ApiKey
from .quotas import Quota

USAGE: Final = "key_usage"  # the entry in the state of a request that came with a key
NO_STATE: Final[Mapping[str, "KeyUsage"]] = {}


class KeyUsage:
    """The requests and rows of one key in this process.

    Args:
        counters: count its requests and rows.
        quota: its quota; None if it has none.
    """

    def __init__(self, counters: ClientCounters, quota: Quota | None) -> None:
        self.counters = counters
        self.quota = quota

    def charge(self, rows: int) -> None:
        """Count the rows of a request.

        Raises:
            QuotaExceeded: the quota has no row left.
        """
        if self.quota is not None:
            self.quota.charge(rows)
        self.counters.count_rows(rows)

    def refund(self, rows: int) -> None:
        """Give the rows of a rejected request back to the quota; the count of rows that were sent stays."""
        if self.quota is not None:
            self.quota.refund(rows)


class KeyUsages:
    """The usage of every key, and the rejections of requests without a valid key."""

    def __init__(self, shared: SharedCounters) -> None:
        self._shared = shared
        self._by_name: dict[str, KeyUsage] = {}
        self.without_key = ClientCounters.bound_to(shared, "")

    def of(self, key: ApiKey) -> KeyUsage:
        """The usage of a key. Its quota starts anew when its rate changes."""
        found = self._by_name.get(key.name)
        rate = None if found is None or found.quota is None else found.quota.rows_per_second
        if found is None or rate != key.rows_per_second:
            counters = ClientCounters.bound_to(self._shared, key.name) if found is None else found.counters
            quota = None if key.rows_per_second is None else Quota(key.rows_per_second)
            found = self._by_name[key.name] = KeyUsage(counters, quota)
        return found


def usage_of(scope: Scope) -> KeyUsage | None:
    """The usage of the API key of a request; None if it has none."""
    usage: KeyUsage | None = scope.get("state", NO_STATE).get(USAGE)
    return usage
