"""Drops the work of a client that has gone.

Only requests that take long are watched, for a watch costs more than a small request's answer.
"""

import asyncio
from typing import Final

from .request_context import RequestContext

ROUND_SECONDS: Final = 0.02


class DisconnectWatcher:
    """Whose answers are awaited; every so often a round is made, and who is met twice is watched from then on."""

    def __init__(self) -> None:
        self._guests: dict[RequestContext, asyncio.Task[object] | None] = {}
        self._seen: set[RequestContext] = set()
        self._watches: dict[RequestContext, asyncio.Task[None]] = {}
        self._walking = False

    def watch(self, http: RequestContext) -> None:
        """From here on the running task is cancelled, and `http.left` true, if the client goes; its body is read."""
        self._guests[http] = asyncio.current_task()
        if not self._walking:
            self._walking = True
            asyncio.get_running_loop().call_later(ROUND_SECONDS, self._walk)

    def unwatch(self, http: RequestContext) -> None:
        """It is answered, or will not be."""
        self._guests.pop(http, None)
        if http in self._seen:
            self._seen.remove(http)
            if (watch := self._watches.pop(http, None)) is not None:
                watch.cancel()

    def _walk(self) -> None:
        loop = asyncio.get_running_loop()
        for http, task in self._guests.items():
            if http in self._seen and http not in self._watches:
                self._watches[http] = loop.create_task(_until_gone(http, task))
        self._seen.update(self._guests)
        self._walking = bool(self._guests)
        if self._walking:
            loop.call_later(ROUND_SECONDS, self._walk)


async def _until_gone(http: RequestContext, task: "asyncio.Task[object] | None") -> None:
    await http.gone()
    http.left = True
    if task is not None:
        task.cancel()
