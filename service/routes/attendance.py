"""Drops the work of a client that has gone.

Only requests that take long are watched, for a watch costs more than a small request's answer.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final, TypeVar

from service.routes.exchange import ClientGone, Exchange

T = TypeVar("T")
Task = asyncio.Task[object]

ROUND_SECONDS: Final = 0.02


@dataclass(slots=True, eq=False)
class _Guest:
    http: Exchange
    seen: bool = False
    left: bool = False
    watch: "asyncio.Task[None] | None" = None


class Attendance:
    """Who waits for an answer; every so often a round is made, and who is met twice is watched from then on."""

    def __init__(self) -> None:
        self._guests: dict[Task, _Guest] = {}
        self._walking = False

    async def keep(self, http: Exchange, work: Awaitable[T]) -> T:
        """What `work` gives, unless the client goes.

        Raises:
            ClientGone: the client left first, and `work` was cancelled.
        """
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  (a coroutine runs in a task)
        guest = self._guests[task] = _Guest(http)
        if not self._walking:
            self._walking = True
            asyncio.get_running_loop().call_later(ROUND_SECONDS, self._walk)
        try:
            return await work
        except asyncio.CancelledError:
            if not guest.left:
                raise
            task.uncancel()
            raise ClientGone from None
        finally:
            del self._guests[task]
            if guest.watch is not None:
                guest.watch.cancel()

    def _walk(self) -> None:
        loop = asyncio.get_running_loop()
        for task, guest in self._guests.items():
            if guest.seen and guest.watch is None:
                guest.watch = loop.create_task(_until_gone(guest, task))
            guest.seen = True
        self._walking = bool(self._guests)
        if self._walking:
            loop.call_later(ROUND_SECONDS, self._walk)


async def _until_gone(guest: _Guest, task: Task) -> None:
    await guest.http.gone()
    guest.left = True
    task.cancel()
