"""One request and its response on a connection: uvicorn's, but receiving the body can fail."""

import asyncio
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Final

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from ..errors import DeadlinePassed

# Keys of scope["state"].
FIRST_BYTE: Final = "first_byte"
DEADLINE: Final = "deadline"
BODY_FAILURE: Final = "body_failure"


class RequestCycle(RequestResponseCycle):
    """A request whose body may end with an error: `receive` then returns a disconnect, and the error is in the scope.

    Attributes:
        keeps_rest: tells if the connection can be kept after an answer that comes before the end of the body.
    """

    keeps_rest: Callable[[], bool]
    _failure: Exception | None = None

    def fail(self, error: Exception) -> None:
        """End receiving the body with an error, which the application answers; then the connection is closed."""
        self.keep_alive = False
        if not (self.response_complete or self.disconnected or self._failure):
            self._failure = error
            self.message_event.set()

    async def receive(self) -> ASGIReceiveEvent:
        """The next part of the body, at the latest when the deadline of the request passes."""
        if not self.more_body or self.message_event.is_set():
            message = await super().receive()
        else:
            message = await self._receive_until(self.scope["state"].get(DEADLINE))
        if self._failure is not None and not self.disconnected:
            self.scope["state"][BODY_FAILURE] = self._failure
            return {"type": "http.disconnect"}
        return message

    async def _receive_until(self, deadline: float | None) -> ASGIReceiveEvent:
        if deadline is None:
            return await super().receive()
        error = DeadlinePassed("the body was not complete before the deadline of the request")
        timer = asyncio.get_running_loop().call_later(max(0.0, deadline - monotonic()), self.fail, error)
        try:
            return await super().receive()
        finally:
            timer.cancel()

    def send(self, message: ASGISendEvent) -> Coroutine[object, object, None]:
        """Send a part of the response. Its head tells if the connection will be closed because the body goes on."""
        if self.more_body and not self.response_started and not self.keeps_rest():
            self.keep_alive = False
        return super().send(message)
