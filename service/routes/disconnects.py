"""Cancels the work of a request whose client has disconnected.

Only requests that take long get a listener, because a listener costs more than the answer to a small request.
"""

import asyncio
from typing import Final

from .request_context import RequestContext

POLL_SECONDS: Final = 0.02


class DisconnectWatcher:
    """Polls pending requests every 20 ms. A request seen in two polls gets its own disconnect listener."""

    def __init__(self) -> None:
        self._pending: dict[RequestContext, asyncio.Task[object] | None] = {}
        self._seen: set[RequestContext] = set()
        self._listeners: dict[RequestContext, asyncio.Task[None]] = {}
        self._polling = False

    def watch(self, request: RequestContext) -> None:
        """If the client disconnects, set `request.disconnected` and cancel the running task.

        Call it after the body is read: the listener would take messages of the body.
        """
        self._pending[request] = asyncio.current_task()
        if not self._polling:
            self._polling = True
            asyncio.get_running_loop().call_later(POLL_SECONDS, self._poll)

    def unwatch(self, request: RequestContext) -> None:
        """Stop watching a request that has ended; does nothing if it is not watched."""
        self._pending.pop(request, None)
        if request in self._seen:
            self._seen.remove(request)
            if (listener := self._listeners.pop(request, None)) is not None:
                listener.cancel()

    def _poll(self) -> None:
        loop = asyncio.get_running_loop()
        for request, task in self._pending.items():
            if request in self._seen and request not in self._listeners:
                self._listeners[request] = loop.create_task(_cancel_on_disconnect(request, task))
        self._seen.update(self._pending)
        self._polling = bool(self._pending)
        if self._polling:
            loop.call_later(POLL_SECONDS, self._poll)


async def _cancel_on_disconnect(request: RequestContext, task: "asyncio.Task[object] | None") -> None:
    await request.wait_for_disconnect()
    request.disconnected = True
    if task is not None:
        task.cancel()
