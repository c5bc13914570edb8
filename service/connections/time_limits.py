"""Registers a connection when it is made; a sweep over all connections checks their time limits.

So a request costs no timer.
"""

import asyncio
from typing import Final

from ..errors import BodyTooSlow
from . import raw_problem
from .answering import BODY, HEAD, AnsweringProtocol
from .read_flow import ReadFlow
from .transport import ConnectionTransport

# A connection beyond the limit has this time to send a health check.
EXTRA_SECONDS: Final = 1.0


class TimedProtocol(AnsweringProtocol):
    """One connection that the registry of connections watches."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        """Wrap the transport of a new connection."""
        wrapped = ConnectionTransport(transport, self._linger)
        super().connection_made(wrapped)
        # A server that stops replaces its application. That may have happened since this object was made, when the
        # connection was not among those of the server.
        self.app = self.config.loaded_app
        self.flow = ReadFlow(wrapped)
        self._beyond = self._registry.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and what it held; its requests end."""
        self._registry.remove(self)
        self._disconnect()
        self._linger_until = self.since
        self._count_unwritten(0)
        super().connection_lost(exc)
        # The parser and the transport refer to this object; without this, only the garbage collector would free it.
        self._deaf = True

    def _disconnect(self) -> None:
        # The base class knows only the newest request. The running one may be an earlier one.
        waiting = [cycle for cycle, _ in self.pipeline]
        self.pipeline.clear()
        for cycle in waiting if self._running is None else (self._running, *waiting):
            cycle.disconnected = not cycle.response_complete
            cycle.message_event.set()

    @property
    def is_idle(self) -> bool:
        """True between two requests, when the client has taken the answer: closing takes no time then."""
        is_open = not (self._deaf or self.transport.is_closing())
        return self._is_free and is_open and not self._held and not self.transport.get_write_buffer_size()

    def close_idle(self) -> None:
        """Close a connection between two requests."""
        self.transport.close()

    def turn_away(self) -> None:
        """Answer that there are too many connections, if nothing was answered yet, and close at once."""
        self._linger_until = self.since
        if self._has_request or self._deaf or self.transport.is_closing():
            # Closing could wait for a client that does not read, and this connection counts no longer.
            self.transport.abort()
        else:
            self._registry.count(raw_problem.CROWDED.type)
            self.transport.write(raw_problem.CROWDED.response)
            self.transport.close()

    def check(self, now: float) -> None:
        """Close the connection, or end its request, if a time limit has passed."""
        if self._is_slow_reader(now):
            self._registry.count("slow-reader")
            self.transport.reset()
        elif self.transport.is_closing():
            self._closing_at = self._closing_at or now
        elif self._linger_until is not None:
            if now > self._linger_until and self._pace.paused_at is None:
                self.transport.close()
        elif self._receiving == HEAD:
            if not self.flow.read_paused and self._receiving_seconds(now) > self._head_seconds:
                self._reject(raw_problem.HEAD_TIMEOUT)
        elif self._receiving == BODY:
            self._check_body(now)
        elif self._pace.paused_at is None:
            self._check_idle(now)

    def _receiving_seconds(self, now: float) -> float:
        # A pause of reading is not the fault of the client.
        return now - self._first_byte - (self.flow.unread_seconds - self._unread_before)

    def _is_slow_reader(self, now: float) -> bool:
        seconds = self._limits.write_seconds
        if self._pace.paused_at is None:
            return self._closing_at is not None and now - self._closing_at > seconds
        return self._pace.is_slow(now, self.transport.sent, seconds, self._limits.bytes_per_second)

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
            if self._pace.paused_at is None and now - self.since > limits.linger_seconds:
                self.transport.close()
        elif not (self.flow.read_paused or self._deaf):
            allowed = limits.body_seconds + self._body_bytes / limits.bytes_per_second
            if self._receiving_seconds(now) > allowed:
                error = BodyTooSlow(
                    f"the body did not arrive within {limits.body_seconds:g} seconds plus one for each "
                    f"{limits.bytes_per_second} bytes (DIFFEO_BODY_SECONDS, DIFFEO_MIN_BYTES_PER_SECOND)"
                )
                self._fail_body(error)
