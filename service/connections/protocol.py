"""uvicorn's HTTP protocol with limits on the head, on the time of each stage, and on what an early answer discards.

llhttp, the parser, rejects most ambiguous messages itself: two lengths, a length and chunks, bare line feeds, folded
headers, control characters. This module receives; its base classes answer and watch the time.
"""

import asyncio
import functools
import urllib.parse
from time import monotonic
from typing import Final

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

from ..errors import MalformedBody, TooLarge
from . import raw_problem
from .answering import BODY, CHUNKED, HEAD, NOTHING, HeadRejected
from .cycle import FIRST_BYTE, RequestCycle
from .limits import ConnectionLimits
from .raw_problem import RawProblem
from .time_limits import TimedProtocol

# Answered beyond the limit on connections.
HEALTH_PATHS: Final = frozenset({"/livez", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"})
FRAMING: Final = frozenset({b"content-length", b"expect", b"host", b"transfer-encoding"})


class ConnectionProtocol(TimedProtocol):
    """One connection."""

    def data_received(self, data: bytes) -> None:
        """Parse what the client sent, or discard it."""
        if self._deaf:
            self._discard(len(data))
            return
        if self._pauses:
            self._hold(data)
            return
        if self._registry.starts.are_late() and self._is_free and self._repeated_head.is_in(data):
            self._reject_for_overload()
            return
        before, body_bytes, cycle, limit = self._receiving, self._body_bytes, self.cycle, self._limits.head_bytes
        self._may_be_large = before == HEAD or len(data) > limit
        if before != BODY and self._head_bytes + len(data) > limit and not self._head_may_end(data):
            self._reject(self._too_large_head(data))
            return
        self._feed(data)
        if self._receiving == HEAD:
            # Where earlier requests end in the same data is unknown. A lower bound is enough: `_check_head` is exact.
            is_first = before != BODY and self.cycle is cycle
            self._head_bytes = self._head_bytes + len(data) if is_first else self._parsed_bytes()
        elif self._receiving == before == NOTHING and self.cycle is not cycle and self.cycle.keep_alive:
            self._repeated_head.note(data, self._content_length)
        elif self._receiving == before == BODY and self._content_length == CHUNKED and self.cycle is cycle:
            self._framing_bytes += len(data) - (self._body_bytes - body_bytes)
            if self._framing_bytes > self._limits.framing_bytes + self._body_bytes:
                self._fail_body(
                    TooLarge("chunk sizes, extensions and trailers have more bytes than the body; send larger chunks")
                )

    def _feed(self, data: "bytes | memoryview[int]") -> None:
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                # The service speaks no other protocol, and HTTP allows it to ignore the wish for one.
                offset: int = upgrade.args[0]
                data = memoryview(data)[offset:]
                self._replay_head()
                if data:
                    continue
            except httptools.HttpParserError:
                if self._receiving == BODY:
                    self._fail_body(MalformedBody("the chunks of the body are not valid HTTP"))
                else:
                    self._reject(self._problem or raw_problem.MALFORMED)
            return

    def _replay_head(self) -> None:
        # After a wish to upgrade, the parser takes no body. A new parser that knows the length of the body reads it.
        if self._receiving != BODY:
            return
        self.parser = httptools.HttpRequestParser(self)
        length = b"Transfer-Encoding: chunked" if self._content_length == CHUNKED else b"Content-Length: %d"
        head = b"POST / HTTP/1.1\r\n" + (length if self._content_length == CHUNKED else length % self._content_length)
        self._replaying = True
        self.parser.feed_data(head + b"\r\n\r\n")
        self._replaying = False

    def _head_may_end(self, data: bytes) -> bool:
        left = self._limits.head_bytes - self._head_bytes
        return data.find(b"\r\n\r\n", 0, max(0, left) + 4) >= 0 or (left > 0 and data[:1] in {b"\r", b"\n"})

    def _too_large_head(self, data: bytes) -> RawProblem:
        in_target = self._receiving == NOTHING or not self.headers
        in_target = in_target and data.find(b"\n", 0, self._limits.head_bytes) < 0
        return raw_problem.TARGET_TOO_LONG if in_target else raw_problem.HEAD_TOO_LARGE

    def _parsed_bytes(self) -> int:
        # Beside the target, a request line has about 16 bytes.
        return 16 + len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def on_message_begin(self) -> None:
        """Note the time of the first byte of a request."""
        if self._replaying:
            return
        super().on_message_begin()
        self._first_byte = self.scope["state"][FIRST_BYTE] = monotonic()
        self._unread_before = self.flow.unread_seconds
        self._receiving = HEAD
        self._head_bytes = self._hosts = self._content_length = self._body_bytes = self._framing_bytes = 0
        self._has_encoding = False

    def on_url(self, url: bytes) -> None:
        """A part of the request target."""
        if not self._replaying:
            self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or one trailer, which is ignored."""
        if self._receiving == BODY:
            return
        name = name.lower()
        if name in FRAMING:
            self._note_framing(name, value)
        self.headers.append((name, value))

    def _note_framing(self, name: bytes, value: bytes) -> None:
        if name == b"host":
            self._hosts += 1
        elif name == b"content-length":
            # The parser rejects what is no number and what has more than 64 bits.
            self._content_length = int(value) if value.strip().isdigit() else 0
        elif name == b"transfer-encoding":
            self._content_length = CHUNKED
            self._has_encoding = True
            if value.strip().lower() != b"chunked":
                self._problem = raw_problem.TRANSFER_ENCODING
        elif value.lower() == b"100-continue":
            self.expect_100_continue = True

    def on_headers_complete(self) -> None:
        """Start the request, if its head is acceptable."""
        if self._replaying:
            return
        version = self.parser.get_http_version()
        if version != "1.1":
            self.scope["http_version"] = version
        self._check_head(version)
        # A URL that cannot be parsed raises here, as every other error in a head.
        parsed_url = httptools.parse_url(self.url)
        raw_path = parsed_url.path
        path = raw_path.decode("ascii")
        if "%" in path:
            path = urllib.parse.unquote(path)
        scope = self.scope
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["path"] = self.root_path + path
        scope["raw_path"] = self.root_path.encode("ascii") + raw_path
        scope["query_string"] = parsed_url.query or b""
        if self._beyond and path not in HEALTH_PATHS:
            self._stop(raw_problem.CROWDED)
        self._receiving = BODY
        self._start(keep_alive=version == "1.1" and self.parser.should_keep_alive() and not self._beyond)

    def _check_head(self, version: str) -> None:
        if self._problem is not None:
            raise HeadRejected
        if version == "1.1":
            if self._hosts != 1:
                self._stop(raw_problem.HOST)
        elif version != "1.0":
            self._stop(raw_problem.VERSION)
        elif self._has_encoding:
            self._stop(raw_problem.TRANSFER_ENCODING)
        if len(self.url) > self._limits.target_bytes:
            self._stop(raw_problem.TARGET_TOO_LONG)
        if len(self.headers) > self._limits.fields or (
            self._may_be_large and self._parsed_bytes() > self._limits.head_bytes
        ):
            self._stop(raw_problem.HEAD_TOO_LARGE)

    def _start(self, *, keep_alive: bool) -> None:
        is_free = not self._has_request or self.cycle.response_complete
        self._has_request = True
        self.cycle = cycle = RequestCycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=keep_alive,
            on_response=self.on_response_complete,
        )
        cycle.keeps_rest = self._keeps_rest
        cycle.starts = starts = self._registry.starts
        if is_free:
            # Other methods are cheap: health checks and metrics are never rejected.
            if starts.are_late() and self.scope["method"] == "POST":
                self._turn_request_away(cycle)
                return
            starts.add()
            self._running = cycle
            self._start_asgi_task(cycle, self.app)
            return
        # A request that came before the answer to an earlier one waits for it.
        self.flow.pause_reading()
        self.pipeline.appendleft((cycle, self.app))
        if len(self.pipeline) >= self._limits.pipelined:
            # The client sees that the connection is closed after this answer, and sends the others again.
            cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        self._body_bytes += len(body)
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        """The end of a request."""
        if self._replaying or (self._content_length and not self._body_bytes and self.parser.should_upgrade()):
            return
        self._receiving = NOTHING
        self._head_bytes = 0
        cycle = self.cycle
        cycle.more_body = False
        if not cycle.response_complete:
            cycle.message_event.set()
        else:
            self.since = monotonic()
        if not cycle.keep_alive and self.pipeline:
            # Nothing is answered after the last request of this connection.
            self._deaf = True
            self.flow.pause_reading()


def limited(limits: ConnectionLimits) -> "functools.partial[ConnectionProtocol]":
    """The class of the connections of one server, as uvicorn takes it."""
    return functools.partial(ConnectionProtocol, limits=limits)
