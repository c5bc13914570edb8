"""One request and its response on a connection: uvicorn's, but receiving can fail, and one write sends a response."""

import asyncio
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Final

from uvicorn._types import ASGI3Application, ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from ..errors import DeadlinePassed
from .overload.starts import Starts
from .response_head import Header, response_head

# Keys of scope["state"].
FIRST_BYTE: Final = "first_byte"
DEADLINE: Final = "deadline"
BODY_FAILURE: Final = "body_failure"
# Up to this size, joining head and body is faster than a system call with two buffers.
JOINED_BYTES: Final = 64 * 1024
LAST_CHUNK: Final = b"0\r\n\r\n"


class RequestCycle(RequestResponseCycle):
    """A request whose body may end with an error: `receive` then returns a disconnect, and the error is in the scope.

    Attributes:
        keeps_rest: tells if the connection can be kept after an answer that comes before the end of the body.
        starts: the requests that wait for the start of their handlers.
        status: status code of the response; 0 before there is one.
    """

    keeps_rest: Callable[[], bool]
    starts: Starts
    status: int = 0
    _failure: Exception | None = None
    _head: bytes = b""

    def fail(self, error: Exception) -> None:
        """End receiving the body with an error, which the application answers; then the connection is closed."""
        self.keep_alive = False
        if not (self.response_complete or self.disconnected or self._failure):
            self._failure = error
            self.message_event.set()

    async def receive(self) -> ASGIReceiveEvent:
        """The next part of the body, at the latest when the deadline of the request passes."""
        unusual = self.response_complete or self.disconnected or self._failure or self.waiting_for_100_continue
        if self.message_event.is_set() and not unusual:
            # Nearly every body is here before the handler starts.
            return self._take_body()
        if not self.more_body or self.message_event.is_set():
            message = await super().receive()
        else:
            message = await self._receive_until(self.scope["state"].get(DEADLINE))
        if self._failure is not None and not self.disconnected:
            self.scope["state"][BODY_FAILURE] = self._failure
            return {"type": "http.disconnect"}
        return message

    def _take_body(self) -> ASGIReceiveEvent:
        self.flow.resume_reading()
        self.message_event.clear()
        body, self.body = self.body, bytearray()
        return {"type": "http.request", "body": bytes(body), "more_body": self.more_body}

    async def _receive_until(self, deadline: float | None) -> ASGIReceiveEvent:
        if deadline is None:
            return await super().receive()
        error = DeadlinePassed("the body was not complete before the deadline of the request")
        timer = asyncio.get_running_loop().call_later(max(0.0, deadline - monotonic()), self.fail, error)
        try:
            return await super().receive()
        finally:
            timer.cancel()

    async def run_asgi(self, app: ASGI3Application) -> None:
        """Run the application. A response that it does not complete is cut off, so that the client notices."""
        self.starts.began()
        try:
            await app(self.scope, self.receive, self.send)
        except BaseException as error:
            self.logger.exception("the application failed", exc_info=error)
        if not (self.response_complete or self.disconnected):
            await self._cut_off()
        self.on_response = _ignore

    async def _cut_off(self) -> None:
        if self.response_started:
            self._write(b"")
            self.transport.close()
        else:
            await self.send_500_response()

    async def send(self, message: ASGISendEvent) -> None:
        """Send a part of the response. The head waits for the first part of the body: one system call sends both."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if message["type"] == "http.response.start" and not self.response_started:
            self._start_response(message["status"], message.get("headers", ()))
        elif message["type"] == "http.response.body" and self.response_started and not self.response_complete:
            self._send_body(message.get("body", b""), more=message.get("more_body", False))
        else:
            raise RuntimeError(f"the application sent {message['type']}, which does not fit the state of its response")

    def _start_response(self, status: int, headers: Iterable[Header]) -> None:
        self.response_started = True
        self.status = status
        self.waiting_for_100_continue = False
        # The rest of a body that the application does not want may be too long to wait for.
        keep_alive = self.keep_alive and (not self.more_body or self.keeps_rest())
        has_body = self.scope["method"] != "HEAD"
        head = response_head(status, [*self.default_headers, *headers], keep_alive=keep_alive, has_body=has_body)
        self.keep_alive = not head.closes
        self.chunked_encoding = head.length is None
        self.expected_content_length = head.length or 0 if has_body else 0
        self._head = head.content

    def _send_body(self, body: bytes, *, more: bool) -> None:
        if self.scope["method"] == "HEAD":
            body = b""
        elif self.chunked_encoding:
            body = _chunks(body, is_last=not more)
        else:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0:
                raise RuntimeError("the body of the response is longer than its Content-Length")
        self._write(body)
        if not more:
            self._complete()

    def _write(self, body: bytes) -> None:
        head, self._head = self._head, b""
        if not head:
            if body:
                self.transport.write(body)
        elif len(body) <= JOINED_BYTES:
            self.transport.write(head + body)
        else:
            self.transport.writelines((head, body))

    def _complete(self) -> None:
        if self.expected_content_length:
            raise RuntimeError("the body of the response is shorter than its Content-Length")
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


def _ignore() -> None:
    """The connection has no further interest in this request."""


def _chunks(body: bytes, *, is_last: bool) -> bytes:
    chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    return chunk + LAST_CHUNK if is_last else chunk
