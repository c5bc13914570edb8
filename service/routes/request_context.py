"""One exchange over bare ASGI: a request as it arrives, a reply as it leaves, and notice of a client that has gone.

FastAPI's and Starlette's own objects cost more than a small request's answer; the hot verbs do without them.
"""

import contextlib
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from ..errors import InvalidRequest, MalformedBody, TooLarge, UnsupportedFormat
from ..observability.counters import EndpointCounters
from ..observability.timing import RequestTiming

Header = tuple[bytes, bytes]

MAX_DIGITS: Final = 18
MAX_MILLISECONDS: Final = 9  # digits: some eleven days
MAX_PARAMETERS: Final = 64
TIMEOUT_HEADER: Final = b"x-request-timeout-ms"


class ClientGone(Exception):
    """The client left before its answer was whole; nobody is there to be told."""


@dataclass(slots=True)
class Reply:
    """What goes back: whole as `content`, or part after part."""

    status: int
    headers: list[Header]
    content: bytes = b""
    parts: AsyncGenerator[bytes, None] | None = None


class RequestContext:
    """One request and its reply.

    Args:
        scope: what ASGI says of the request.
        receive: gives the body, and later that the client has gone.
        send: takes the reply.
        counters: count the request until its model is found.

    Attributes:
        timing: its stamps.
        counters: count the request when it ends.
        status: status code of the response; 0 before there is one.
        problem: problem type that the request ended with; empty if there was none.
        left: the client has gone, as `diffeo.service.routes.disconnects` noticed.
    """

    __slots__ = ("_receive", "_send", "counters", "headers", "left", "problem", "scope", "status", "timing")

    def __init__(self, scope: Scope, receive: Receive, send: Send, counters: EndpointCounters) -> None:
        self.timing = RequestTiming()
        self.counters = counters
        self.status = 0
        self.problem = ""
        self.scope = scope
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.left = False
        self._receive = receive
        self._send = send

    def header(self, name: bytes, absent: str = "") -> str:
        """A header's value in lower case."""
        value = self.headers.get(name)
        return absent if value is None else value.decode("latin-1").lower()

    def query(self) -> dict[str, str]:
        """The query parameters.

        Raises:
            MalformedBody: a parameter is repeated, or there are too many.
        """
        text: bytes = self.scope["query_string"]
        if not text:
            return {}
        try:
            pairs = parse_qsl(text.decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
        except ValueError:
            raise MalformedBody(f"the query string has more than {MAX_PARAMETERS} parameters") from None
        parameters = dict(pairs)
        if len(parameters) != len(pairs):
            raise MalformedBody("the query string repeats a parameter")
        return parameters

    def deadline(self, seconds: float) -> float:
        """When the answer must be there, in monotonic time: the client's wish, at most `seconds` from now.

        Raises:
            InvalidRequest: the header is not a number of milliseconds.
        """
        wish = self.headers.get(TIMEOUT_HEADER)
        if wish is not None:
            if not wish.isdigit() or len(wish) > MAX_MILLISECONDS or not int(wish):
                raise InvalidRequest("X-Request-Timeout-Ms must be a whole number of milliseconds above 0")
            seconds = min(seconds, int(wish) / 1000)
        return time.monotonic() + seconds

    async def body(self, limit: int) -> bytes:
        """The whole body, at most `limit` bytes.

        Raises:
            TooLarge: the body is longer, told before it is read where Content-Length tells.
            UnsupportedFormat: the body is compressed.
            ClientGone: the client left before its body was whole.
        """
        if b"content-encoding" in self.headers and self.header(b"content-encoding") != "identity":
            raise UnsupportedFormat("send the body uncompressed: Content-Encoding must be identity")
        return await self.packed_body(limit)

    async def packed_body(self, limit: int) -> bytes:
        """The same as it came, compressed or not.

        Raises:
            TooLarge: the body is longer, told before it is read where Content-Length tells.
            ClientGone: the client left before its body was whole.
        """
        announced = self.headers.get(b"content-length", b"0").lstrip(b"0")
        # Compared by length first: a number of any length is a header, and int() refuses the longest.
        if announced.isdigit() and (len(announced) > MAX_DIGITS or int(announced) > limit):
            raise _too_large(limit)
        message = await self._receive()
        parts: list[bytes] = []
        size = 0
        while message["type"] == "http.request":
            part: bytes = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            if not message.get("more_body", False):
                # Nearly every body comes in one piece, and needs no joining.
                return b"".join([*parts, part]) if parts else part
            parts.append(part)
            message = await self._receive()
        raise ClientGone

    async def gone(self) -> None:
        """Return when the client has left; to be asked after the body is read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def answer(self, reply: Reply) -> None:
        """Send the reply."""
        await self._send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
        if reply.parts is not None:
            async with contextlib.aclosing(reply.parts):
                async for part in reply.parts:
                    await self._send({"type": "http.response.body", "body": part, "more_body": True})
        await self._send({"type": "http.response.body", "body": reply.content})


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is above the limit of {limit} bytes; send it in parts")
