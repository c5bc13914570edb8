"""One HTTP request over plain ASGI: its headers, query and body, its model and outcome; and the response to it.

The operations do not use the request objects of FastAPI and Starlette, which cost more than a small request's answer.
"""

import contextlib
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from ..connections.memory import MemoryBudget
from ..errors import InvalidRequest, MalformedBody, ServiceError, TooLarge, UnsupportedFormat
from ..model import Model
from ..observability.counters import EndpointCounters
from ..observability.logs import named_model
from ..observability.timing import RequestTiming
from ..security import key_usage
from ..security.access_control import HEADERS

Header = tuple[bytes, bytes]

NO_PARAMETERS: Final[Mapping[str, object]] = MappingProxyType({})
MAX_DIGITS: Final = 18
MAX_TIMEOUT_DIGITS: Final = 9  # of milliseconds: 11 days
MAX_PARAMETERS: Final = 64
FLOAT64_BYTES: Final = 8
UNCOUNTED_BYTES: Final = 16 * 1024  # fewer bytes of one request are not counted in the memory budget
TIMEOUT_HEADER: Final = b"x-request-timeout-ms"


class ClientDisconnected(Exception):
    """The client closed the connection before its request was complete, so no response can be sent."""


@dataclass(slots=True)
class HttpResponse:
    """Status, headers and body of a response.

    Attributes:
        content: the whole body, where `blocks` is None.
        blocks: the body of a streamed response, block after block.
    """

    status: int
    headers: list[Header]
    content: bytes = b""
    blocks: AsyncGenerator[bytes, None] | None = None

    async def send(self, send: Send) -> None:
        """Send status and headers, then the body."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        if self.blocks is not None:
            async with contextlib.aclosing(self.blocks):
                async for block in self.blocks:
                    await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body", "body": self.content})


class RequestContext:
    """One request, and the data that its handler has found so far.

    Args:
        scope: the ASGI scope of the request.
        receive: returns the next part of the body, and later a message when the client disconnects.
        counters: count the request until its model is found.

    Attributes:
        timing: timestamps of the request.
        counters: count the request when it ends.
        parameters: the parameters read so far, not checked yet.
        model: the model that answers; None until it is found.
        rows: number of rows that the request sends or asks for; None until it is known.
        status: status code of the response; 0 before there is one.
        problem: problem type that the request ended with; empty if there was none.
        disconnected: True after `DisconnectWatcher` saw that the client disconnected.
    """

    __slots__ = (
        "_announced", "_charged", "_held", "_memory", "_receive", "counters", "disconnected", "headers", "model",
        "parameters", "problem", "rows", "scope", "status", "timing",
    )  # fmt: skip

    def __init__(self, scope: Scope, receive: Receive, counters: EndpointCounters) -> None:
        self.timing = RequestTiming()
        self.counters = counters
        self.scope = scope
        self.parameters: Mapping[str, object] = NO_PARAMETERS
        self.model: Model | None = None
        self.rows: int | None = None
        self.headers: dict[bytes, bytes] = scope.get(HEADERS) or dict(scope["headers"])
        self.status = 0
        self.problem = ""
        self.disconnected = False
        self._receive = receive
        # An application without our connections, as under Ray, has no budget.
        self._memory: MemoryBudget | None = scope.get("state", NO_PARAMETERS).get("memory")
        self._announced: int | None = None
        self._charged = 0
        self._held = 0

    @property
    def client(self) -> str:
        """The key of the client for its share: the name of its API key, else its address."""
        return client_of(self.scope)

    def header(self, name: bytes, default: str = "") -> str:
        """The value of a header in lower case; `default` if the request does not have the header."""
        value = self.headers.get(name)
        return default if value is None else value.decode("latin-1").lower()

    def query(self) -> dict[str, str]:
        """The parameters of the query string.

        Raises:
            MalformedBody: a parameter is repeated, or there are more than MAX_PARAMETERS.
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
            raise MalformedBody("the query string repeats a parameter; give each parameter once")
        return parameters

    def deadline(self, seconds: float) -> float:
        """When the response must be ready, in monotonic time: `seconds` after the first byte, or earlier if asked.

        Raises:
            InvalidRequest: X-Request-Timeout-Ms is not a number of milliseconds.
        """
        timeout = self.headers.get(TIMEOUT_HEADER)
        if timeout is not None:
            if not timeout.isdigit() or len(timeout) > MAX_TIMEOUT_DIGITS or not int(timeout):
                raise InvalidRequest(
                    "X-Request-Timeout-Ms must be a whole number of milliseconds, at least 1 and of at most "
                    f"{MAX_TIMEOUT_DIGITS} digits"
                )
            seconds = min(seconds, int(timeout) / 1000)
        # The server notes when the first byte of the request arrived; without a server, that is now.
        state = self.scope.setdefault("state", {})
        began: float | None = state.get("first_byte")
        # The connection ends receiving the body at the deadline.
        deadline: float = (time.monotonic() if began is None else began) + seconds
        state["deadline"] = deadline
        return deadline

    async def body(self, limit: int) -> bytes:
        """The whole body, at most `limit` bytes.

        Raises:
            TooLarge: the body is longer; where Content-Length says so, the body is not read.
            UnsupportedFormat: the body is compressed.
            ClientDisconnected: the client disconnected before the body was complete.
        """
        self.check_encoding()
        return await self.raw_body(limit)

    def check_encoding(self) -> None:
        """Reject a compressed body.

        Raises:
            UnsupportedFormat: the body is compressed.
        """
        if b"content-encoding" in self.headers and self.header(b"content-encoding") != "identity":
            raise UnsupportedFormat("the body is compressed; send it uncompressed, without Content-Encoding")

    def announced_bytes(self, limit: int) -> int:
        """The size of the body that Content-Length announces, before the body is read; 0 without this header.

        Raises:
            TooLarge: it is above the limit.
        """
        if self._announced is None:
            self._announced = _length(self.headers.get(b"content-length", b""))
        if self._announced > limit:
            raise _too_large(limit)
        return self._announced

    async def raw_body(self, limit: int, check_start: Callable[[bytes], None] | None = None) -> bytes:
        """The whole body as it was sent, compressed or not.

        Args:
            limit: most bytes.
            check_start: called with the first part of the body; an error that it raises ends the request before the
                rest is read.

        Raises:
            TooLarge: the body is longer; where Content-Length says so, the body is not read.
            Overloaded: the memory for it is missing; where Content-Length says so, the body is not read.
            BodyTooSlow: it did not arrive in time.
            DeadlinePassed: it was not complete before the deadline of the request.
            ClientDisconnected: the client disconnected before the body was complete.
        """
        announced = self.announced_bytes(limit)
        if announced > UNCOUNTED_BYTES and self._memory is not None:
            self._memory.check(announced)
        message = await self._receive()
        if check_start is not None and message["type"] == "http.request":
            check_start(message.get("body", b""))
        chunks: list[bytes] = []
        size = counted = 0
        while message["type"] == "http.request":
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            if size > limit:
                raise _too_large(limit)
            if not message.get("more_body", False):
                # Nearly every body arrives in one message, and is returned without a copy.
                return b"".join([*chunks, chunk]) if chunks else chunk
            chunks.append(chunk)
            if size - counted > UNCOUNTED_BYTES:
                self.hold(size - counted)
                counted = size
            message = await self._receive()
        failure = self.scope.get("state", NO_PARAMETERS).get("body_failure")
        if isinstance(failure, ServiceError):
            raise failure
        raise ClientDisconnected

    def hold(self, size: int) -> None:
        """Count bytes that the request needs until `release`.

        Raises:
            Overloaded: the memory budget of the process has no room for them.
        """
        if self._memory is not None and size > UNCOUNTED_BYTES:
            self._memory.reserve(size)
            self._held += size

    @contextlib.contextmanager
    def hold_meanwhile(self, size: int) -> Iterator[None]:
        """Count the most bytes that the work in this block can take, and give them back at its end.

        It is never more than half of the memory that other requests may hold, so that such work can run at all.

        Raises:
            Overloaded: the memory budget of the process has no room for them.
        """
        if self._memory is None:
            yield
            return
        size = min(size, max(0, self._memory.limit - self._held) // 2)
        self._memory.reserve(size)
        try:
            yield
        finally:
            self._memory.release(size)

    def charge(self, rows: int) -> None:
        """Note the rows that the request sends or asks for, and count them against its API key, if it has one.

        Raises:
            QuotaExceeded: the quota of the key has no row left.
        """
        self.rows = rows
        usage = key_usage.usage_of(self.scope)
        if usage is not None:
            usage.charge(rows)
            self._charged += rows

    def refund(self) -> None:
        """Give back the rows that were charged: the request is rejected."""
        usage = key_usage.usage_of(self.scope)
        if usage is not None and self._charged:
            usage.refund(self._charged)
            self._charged = 0

    def hold_values(self, rows: int, columns: int) -> None:
        """Count a table of numbers in float64, which is about to be computed, until `release`.

        Raises:
            Overloaded: the memory budget of the process has no room for it.
        """
        self.hold(rows * columns * FLOAT64_BYTES)

    def release(self) -> None:
        """Give back all that the request held; call this when it has ended."""
        if self._held and self._memory is not None:
            self._memory.release(self._held)
            self._held = 0

    async def wait_for_disconnect(self) -> None:
        """Return when the client has disconnected. Call it only after the body is read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def log_fields(self) -> dict[str, object]:
        """The fields of the access log beside path and status. An unknown field is left out."""
        fields: dict[str, object] = {"problem": self.problem or None}
        if self.counters.operation:
            fields["operation"] = self.counters.operation
        if self.model is not None:
            fields["model"], fields["version"] = self.model.name, self.model.version
        elif self.parameters:
            fields |= named_model(self.parameters)
        if self.rows is not None:
            fields["rows"] = self.rows
        return fields


def _length(text: bytes) -> int:
    digits = text.lstrip(b"0")
    if not digits.isdigit():
        return 0
    # The number of digits is compared first: int() raises on a number of thousands of digits.
    return int(digits) if len(digits) <= MAX_DIGITS else sys.maxsize


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is above the limit of {limit} bytes; send the rows in several requests")


def client_of(scope: Scope) -> str:
    """The key of a client for its share: the name of its API key, else its address; empty if it has neither."""
    key: str | None = scope.get("state", NO_PARAMETERS).get("client")
    if key is not None:
        return key
    address = scope.get("client")
    return "" if address is None else str(address[0])
