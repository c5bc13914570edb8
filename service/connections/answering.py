"""Answers on a connection: in the order of the requests, early if a request is rejected, late to slow readers."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from time import monotonic
from typing import Final, cast

from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from . import raw_problem
from .cycle import RequestCycle
from .limits import ConnectionLimits
from .overload.repeated_head import RepeatedHead
from .raw_problem import RawProblem
from .read_flow import ReadFlow
from .reader_pace import ReaderPace
from .registry import COUNT_REJECTED, Connections
from .transport import ConnectionTransport

# Keys of the state that uvicorn copies into the scope of each request.
CONNECTIONS: Final = "connections"
MEMORY: Final = "memory"
# The data after a rejected head are discarded for this time.
REJECTED_SECONDS: Final = 2.0
REJECTED: Final = int(HTTPStatus.TOO_MANY_REQUESTS)
# A paused connection is read up to here; then it is read no further until the pause ends.
MAX_HELD_BYTES: Final = 4096
# The length of a body that comes in chunks.
CHUNKED: Final = -1

# The parts of a request that a connection receives: nothing yet, its head, its body.
NOTHING: Final = 0
HEAD: Final = 1
BODY: Final = 2


class HeadRejected(Exception):
    """Stops the parser, because the head of a request is not acceptable."""


class AnsweringProtocol(HttpToolsProtocol):
    """The state of one connection, and all that it sends.

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
    flow: ReadFlow

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
        self._unread_before = 0.0
        self._has_request = False
        self._head_bytes = 0
        self._may_be_large = False
        self._hosts = 0
        self._content_length = 0
        self._has_encoding = False
        self._body_bytes = 0
        self._framing_bytes = 0
        self._beyond = False
        self._problem: RawProblem | None = None
        self._deaf = False
        self._replaying = False
        self._running: RequestResponseCycle | None = None
        self._pauses = False
        self._held = b""
        self._repeated_head = RepeatedHead()
        self._linger_seconds = 0.0
        self._linger_until: float | None = None
        self._lingered_bytes = 0
        self._pace = ReaderPace()
        self._unwritten = 0
        self._closing_at: float | None = None

    def pause_writing(self) -> None:
        """The client takes the answer more slowly than it is written."""
        self._pace.pause(monotonic(), self.transport.sent)
        self._count_unwritten(self.transport.get_write_buffer_size())
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client has taken nearly all that was written."""
        now = monotonic()
        self._pace.resume(now)
        self._count_unwritten(0)
        # The times that follow an answer begin when the client has taken it, not when it was written.
        self._closing_at = None
        if self._linger_until is not None:
            self._linger_until = now + self._linger_seconds
        if self._has_request and self.cycle.response_complete:
            self.since = now
            self._pace.restart()
        super().resume_writing()

    def _count_unwritten(self, size: int) -> None:
        # The request has ended when its whole answer is written, but the client may not have taken it yet.
        self._registry.memory.release(self._unwritten)
        self._registry.memory.hold(size)
        self._unwritten = size

    def on_response_complete(self) -> None:
        """Start the next request, or wait for it."""
        self.server_state.total_requests += 1
        self.since = monotonic()
        if self._linger_until is not None or self.transport.is_closing():
            return
        if self.pipeline:
            self._running, app = self.pipeline.pop()
            self._registry.starts.add()
            self._start_asgi_task(self._running, app)
            return
        if self._pace.paused_at is None:
            self._pace.restart()
        if self._problem is not None:
            self._send(self._problem)
        else:
            if self.cycle.status == REJECTED:
                self._pause_after_rejection()
            self.flow.resume_reading()

    def _pause_after_rejection(self) -> None:
        """Hold what arrives until the pause ends."""
        if not self._pauses:
            self._pauses = True
            self._registry.rejection_pauses.add(self._end_pause)

    def _hold(self, data: bytes) -> None:
        self._held += data
        if len(self._held) > MAX_HELD_BYTES:
            self.flow.pause_reading()

    def _end_pause(self) -> None:
        self._pauses = False
        if self.transport.is_closing():
            self._held = b""
            return
        if self.flow.write_paused:
            # The client does not even take the rejections.
            self._pause_after_rejection()
            return
        held, self._held = self._held, b""
        cycle = self.cycle
        # A request that came with the rejected one may have paused reading for itself; then it also resumes reading.
        waits = not cycle.response_complete and (self._deaf or self.pipeline or len(cycle.body) > HIGH_WATER_LIMIT)
        if not waits:
            self.flow.resume_reading()
        if held:
            self.data_received(held)

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
        if not (cycle.keep_alive and self._keeps_rest()):
            self._receiving = HEAD
            self._stop(raw_problem.OVERLOADED)
        self._reject_for_overload()

    @property
    def _is_free(self) -> bool:
        """True if the next byte begins a request, and every earlier request is answered."""
        is_between = self._receiving == NOTHING and self._has_request and self.cycle.response_complete
        return is_between and not self.pipeline and self._problem is None

    def _reject_for_overload(self) -> None:
        """Reject a request that was received whole, or whose rest is short; the connection stays open."""
        self._registry.count(raw_problem.OVERLOADED.type)
        self.since = monotonic()
        self.transport.write(raw_problem.OVERLOADED.kept_response)
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
        self._linger_seconds = self._limits.linger_seconds if self._problem is None else REJECTED_SECONDS
        self._linger_until = monotonic() + self._linger_seconds
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

    def _stop(self, problem: RawProblem) -> None:
        self._problem = problem
        raise HeadRejected


def _registry(app_state: dict[str, object], limits: ConnectionLimits | None) -> Connections:
    registry = app_state.get(CONNECTIONS)
    if not isinstance(registry, Connections):
        # An application that has no metrics has no such function.
        count_rejected = cast("Callable[[str], None] | None", app_state.get(COUNT_REJECTED))
        registry = Connections(limits or ConnectionLimits(), count_rejected=count_rejected)
        app_state[CONNECTIONS] = registry
        app_state[MEMORY] = registry.memory
    return registry
