"""uvicorn's HTTP protocol with limits on the head, on the time of each stage, and on what an early answer discards.

A sweep over all connections checks the time limits, so that a request costs no timer. llhttp, the parser, rejects most
ambiguous messages itself: two lengths, a length and chunks, bare line feeds, folded headers, control characters.
"""

import asyncio
import functools
import urllib.parse
from collections.abc import Callable
from http import HTTPStatus
from time import monotonic
from typing import Final, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from ..errors import BodyTooSlow, MalformedBody, TooLarge
from . import raw_problem
from .cycle import FIRST_BYTE, RequestCycle
from .limits import ConnectionLimits
from .raw_problem import RawProblem
from .registry import COUNT_REJECTED, Connections
from .transport import ConnectionTransport

# Keys of the state that uvicorn copies into the scope of each request.
CONNECTIONS: Final = "connections"
MEMORY: Final = "memory"
# Answered beyond the limit on connections.
HEALTH_PATHS: Final = frozenset({"/livez", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"})
# A connection beyond the limit has this time to send a health check.
EXTRA_SECONDS: Final = 1.0
# The data after a rejected head are discarded for this time.
REJECTED_SECONDS: Final = 2.0
FRAMING: Final = frozenset({b"content-length", b"expect", b"host", b"transfer-encoding"})
CHUNKED: Final = -1
REJECTED: Final = int(HTTPStatus.TOO_MANY_REQUESTS)

# The parts of a request that a connection receives: nothing yet, its head, its body.
NOTHING: Final = 0
HEAD: Final = 1
BODY: Final = 2


class HeadRejected(Exception):
    """Stops the parser, because the head of a request is not acceptable."""


class ConnectionProtocol(HttpToolsProtocol):
    """One connection.

    Args:
        config: the configuration of uvicorn.
        server_state: the connections and tasks of uvicorn.
        app_state: shared by all requests of the process; the registry of the connections and the memory budget are
            in it.
        _loop: the event loop.
        limits: the limits of each connection, where `app_state` has no registry yet.
    """

    transport: ConnectionTransport
    cycle: RequestCycle

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: ConnectionLimits | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._registry = _registry(app_state, limits)
        self._limits = self._registry.limits
        self.since = self._first_byte = monotonic()
        self._receiving = NOTHING
        self._has_request = False
        self._head_bytes = 0
        self._hosts = 0
        self._content_length = 0
        self._has_encoding = False
        self._body_bytes = 0
        self._framing_bytes = 0
        self._beyond = False
        self._problem: RawProblem | None = None
        self._deaf = False
        self._replaying = False
        self._linger_until: float | None = None
        self._lingered_bytes = 0
        self._write_paused_at: float | None = None
        self._unwritten = 0
        self._closing_at: float | None = None

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        """Wrap the transport of a new connection."""
        super().connection_made(ConnectionTransport(transport, self._linger))
        self._beyond = self._registry.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and what it held."""
        self._registry.remove(self)
        self._linger_until = self.since
        self._count_unwritten(0)
        super().connection_lost(exc)
        # The parser and the transport refer to this object; without this, only the garbage collector would free it.
        self._deaf = True

    def pause_writing(self) -> None:
        """The client takes the answer more slowly than it is written."""
        self._write_paused_at = monotonic()
        self._count_unwritten(self.transport.get_write_buffer_size())
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client has taken nearly all that was written."""
        self._write_paused_at = None
        self._count_unwritten(0)
        super().resume_writing()

    def _count_unwritten(self, size: int) -> None:
        # The request has ended when its whole answer is written, but the client may not have taken it yet.
        self._registry.memory.release(self._unwritten)
        self._registry.memory.hold(size)
        self._unwritten = size

    # Receiving

    def data_received(self, data: bytes) -> None:
        """Parse what the client sent, or discard it."""
        if self._deaf:
            self._discard(len(data))
            return
        before, body_bytes = self._receiving, self._body_bytes
        if before != BODY and self._head_bytes + len(data) > self._limits.head_bytes and not self._head_may_end(data):
            self._reject(self._too_large_head(data))
            return
        self._feed(data)
        if self._receiving == HEAD:
            # The rest of an earlier body in the same data does not count.
            self._head_bytes += len(data) if before != BODY else 0
        elif self._receiving == before == BODY and self._content_length == CHUNKED:
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

    def on_message_begin(self) -> None:
        """Note the time of the first byte of a request."""
        if self._replaying:
            return
        super().on_message_begin()
        self._first_byte = self.scope["state"][FIRST_BYTE] = monotonic()
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
        if len(self.headers) > self._limits.fields:
            self._stop(raw_problem.HEAD_TOO_LARGE)

    def _stop(self, problem: RawProblem) -> None:
        self._problem = problem
        raise HeadRejected

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

    # Answering

    def on_response_complete(self) -> None:
        """Start the next request, or wait for it."""
        self.server_state.total_requests += 1
        self.since = monotonic()
        if self._linger_until is not None or self.transport.is_closing():
            return
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._registry.starts.add()
            self._start_asgi_task(cycle, app)
        elif self._problem is not None:
            self._send(self._problem)
        elif self.cycle.status == REJECTED:
            self._pause_after_rejection()
        else:
            self.flow.resume_reading()

    def _pause_after_rejection(self) -> None:
        # A client that sends again at once would take the processor from the requests that are accepted.
        self.flow.pause_reading()
        self.loop.call_later(self._limits.rejected_seconds, self._resume_reading)

    def _resume_reading(self) -> None:
        if not self.transport.is_closing():
            self.flow.resume_reading()

    def _reject(self, problem: RawProblem) -> None:
        """Answer without the application, after the answers to earlier requests, and close."""
        self._registry.count(problem.type)
        self._problem = problem
        self._deaf = True
        self._receiving = NOTHING
        if not self._has_request or (self.cycle.response_complete and not self.pipeline):
            self._send(problem)
        else:
            self.flow.pause_reading()

    def _turn_request_away(self, cycle: RequestCycle) -> None:
        cycle.response_started = cycle.response_complete = True
        problem = raw_problem.OVERLOADED
        if not (cycle.keep_alive and self._keeps_rest()):
            self._receiving = HEAD
            self._stop(problem)
        self._registry.count(problem.type)
        self.since = monotonic()
        self.transport.write(problem.kept_response)
        self._pause_after_rejection()

    def _send(self, problem: RawProblem) -> None:
        self.transport.write(problem.response)
        self.transport.close()

    def _fail_body(self, error: Exception) -> None:
        self._deaf = True
        self.cycle.fail(error)
        if self.cycle.response_complete:
            self.transport.close()

    def _keeps_rest(self) -> bool:
        if self.cycle.waiting_for_100_continue or self._content_length == CHUNKED or self._deaf:
            return False
        return self._content_length - self._body_bytes <= self._limits.kept_bytes

    def _linger(self) -> bool:
        """Keep the connection open after an answer that comes before the end of the request; False if it is closed.

        If the connection were closed now, the operating system would reset it, and a client that is still sending would
        lose the answer.
        """
        unread = self._receiving == BODY or self._problem is not None or self._deaf
        if self._linger_until is not None or not unread or self.transport.is_closing():
            return False
        # After a body that is refused in its middle, a client may send much more; after a head it has little to send.
        seconds = self._limits.linger_seconds if self._problem is None else REJECTED_SECONDS
        self._linger_until = monotonic() + seconds
        self._deaf = True
        self.transport.write_eof()
        self.flow.resume_reading()
        return True

    def _discard(self, size: int) -> None:
        self._lingered_bytes += size
        if self._lingered_bytes > self._limits.linger_bytes:
            self.transport.abort()
        elif self._linger_until is None:
            self.flow.pause_reading()

    # Time limits

    @property
    def is_idle(self) -> bool:
        """True between two requests."""
        return self._receiving == NOTHING and self._has_request and self.cycle.response_complete

    def close_idle(self) -> None:
        """Close a connection between two requests."""
        self.transport.close()

    def turn_away(self) -> None:
        """Answer that there are too many connections, and close."""
        if not self._has_request and not self._deaf:
            self._registry.count(raw_problem.CROWDED.type)
            self.transport.write(raw_problem.CROWDED.response)
            self._linger_until = self.since
            self.transport.close()

    def check(self, now: float) -> None:
        """Close the connection, or end its request, if a time limit has passed."""
        if self._is_slow_reader(now):
            self._registry.count("slow-reader")
            self.transport.reset()
        elif self.transport.is_closing():
            self._closing_at = self._closing_at or now
        elif self._linger_until is not None:
            if now > self._linger_until and self._write_paused_at is None:
                self.transport.close()
        elif self._receiving == HEAD:
            if now - self._first_byte > self._head_seconds:
                self._reject(raw_problem.HEAD_TIMEOUT)
        elif self._receiving == BODY:
            self._check_body(now)
        else:
            self._check_idle(now)

    def _is_slow_reader(self, now: float) -> bool:
        seconds = self._limits.write_seconds
        if self._write_paused_at is None:
            return self._closing_at is not None and now - self._closing_at > seconds
        taken = max(0, self._unwritten - self.transport.get_write_buffer_size())
        return now - self._write_paused_at > seconds + taken / self._limits.bytes_per_second

    def _check_idle(self, now: float) -> None:
        if not self._has_request:
            if now - self.since > self._head_seconds:
                self._registry.count("silent")
                self.transport.close()
        elif self.cycle.response_complete and now - self.since > self._limits.keep_alive_seconds:
            self.transport.close()

    @property
    def _head_seconds(self) -> float:
        return min(self._limits.head_seconds, EXTRA_SECONDS) if self._beyond else self._limits.head_seconds

    def _check_body(self, now: float) -> None:
        limits = self._limits
        if self.cycle.response_complete:
            if now - self.since > limits.linger_seconds:
                self.transport.close()
        elif not (self.flow.read_paused or self._deaf):
            allowed = limits.body_seconds + self._body_bytes / limits.bytes_per_second
            if now - self._first_byte > allowed:
                error = BodyTooSlow(
                    f"the body did not arrive within {limits.body_seconds:g} seconds plus one for each "
                    f"{limits.bytes_per_second} bytes (DIFFEO_BODY_SECONDS, DIFFEO_MIN_BYTES_PER_SECOND)"
                )
                self._fail_body(error)


def limited(limits: ConnectionLimits) -> "functools.partial[ConnectionProtocol]":
    """The class of the connections of one server, as uvicorn takes it."""
    return functools.partial(ConnectionProtocol, limits=limits)


def _registry(app_state: dict[str, object], limits: ConnectionLimits | None) -> Connections:
    registry = app_state.get(CONNECTIONS)
    if not isinstance(registry, Connections):
        # An application that has no metrics has no such function.
        count_rejected = cast("Callable[[str], None] | None", app_state.get(COUNT_REJECTED))
        registry = Connections(limits or ConnectionLimits(), count_rejected=count_rejected)
        app_state[CONNECTIONS] = registry
        app_state[MEMORY] = registry.memory
    return registry
