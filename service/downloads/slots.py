"""Counts the downloads that run, by client: none holds more than its share of them, however slowly it reads."""

from collections import Counter
from typing import Final

from ..errors import Overloaded

RETRY_SECONDS: Final = 1.0


class DownloadSlots:
    """The downloads of one process.

    Args:
        most: most downloads that run at once; each keeps a file open.
        share: most of them that one client runs.
    """

    def __init__(self, most: int, share: int) -> None:
        self._most = most
        self._share = share
        self._running: Counter[str] = Counter()

    def take(self, client: str) -> None:
        """Count a download that begins; `free` must be called when it has ended.

        Raises:
            Overloaded: too many run, in all or of this client.
        """
        if self._running.get(client, 0) >= self._share:
            raise Overloaded(
                f"{self._share} downloads of this client run in this process, as many as one client may run; "
                "try again when one has ended",
                RETRY_SECONDS,
            )
        if self._running.total() >= self._most:
            raise Overloaded(f"{self._most} downloads run in this process; try again later", RETRY_SECONDS)
        self._running[client] += 1

    def free(self, client: str) -> None:
        """Count a download that has ended."""
        self._running[client] -= 1
        if not self._running[client]:
            del self._running[client]
