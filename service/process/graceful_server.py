"""uvicorn's server with a stop that leaves no accepted connection without an answer.

A stop has four steps:
1. The service is no longer ready, and each response closes its connection. It still accepts connections.
2. No new connection can begin. The server accepts those that the kernel holds for it, and closes its sockets.
3. A connection without a request is closed when it was idle for a moment. A running request is answered.
4. After the time limit, or after a second signal, the rest is cut off.
"""

import asyncio
import functools
import logging
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .closing_app import ClosingApp
from .port import BACKLOG
from .syn_filter import drop_new_connections

# Connections whose first packet arrived before the filter complete their handshake in this time.
HANDSHAKE_SECONDS: Final = 0.25
# A client that has just connected, or that sends its next request on a kept connection, gets an answer in this time.
IDLE_SECONDS: Final = 1.0
DRAIN_SECONDS: Final = 20.0  # for running requests, when the server stops
POLL_SECONDS: Final = 0.05
ACCEPTED_AT_ONCE: Final = 128
# The exit code of a process whose application could not start; it is the one that uvicorn uses.
STARTUP_FAILURE: Final = 3
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

log = logging.getLogger("diffeo")


class GracefulServer(uvicorn.Server):
    """A server on given sockets.

    Args:
        config: the application and how to serve it.
        listeners: the bound sockets. The server owns them, and closes them when it stops.
        stop_delay: seconds between the signal to stop and the end of accepting connections.

    Attributes:
        finished: True if the server stopped and had answered every request.
    """

    def __init__(self, config: uvicorn.Config, listeners: Sequence[socket.socket], stop_delay: float = 0.0) -> None:
        super().__init__(config)
        self._listeners = list(listeners)
        self._stop_delay = stop_delay
        self._accepting: dict[int, asyncio.Server] = {}
        self._opening: set[asyncio.Task[object]] = set()
        self.finished = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002  (it has its sockets)
        """Start the application, then listen."""
        await self.start_application()
        await self.accept_from(range(len(self._listeners)))

    async def start_application(self) -> None:
        """Start the application; no connection is accepted yet.

        Raises:
            SystemExit: the application could not start; the log has the reason.
        """
        await super().startup(sockets=[])
        # Newer versions of uvicorn end the process themselves; older ones would go on.
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)

    async def accept_from(self, numbers: Sequence[int]) -> None:
        """Accept connections from these of its sockets only. Connections that wait in another one stay there."""
        for number in [number for number in self._accepting if number not in numbers]:
            self._accepting.pop(number).close()
        for number in numbers:
            if number not in self._accepting:
                self._accepting[number] = await asyncio.get_running_loop().create_server(
                    # A copy of the descriptor: closing the server must not close the socket.
                    functools.partial(self._protocol_of, self._listeners[number]),
                    sock=self._listeners[number].dup(),
                    backlog=BACKLOG,
                )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002  (as above)
        """Stop in the four steps."""
        log.info("stopping", extra={"connections": len(self.server_state.connections)})
        deadline = time.monotonic() + DRAIN_SECONDS
        self._close_after_response()
        await self._wait(self._stop_delay)
        await self.stop_accepting()
        await self._drain(deadline)
        if self.server_state.connections or self.server_state.tasks:
            log.error("requests were cut off at the stop", extra={"requests": len(self.server_state.tasks)})
            for connection in list(self.server_state.connections):
                connection.transport.abort()
            return
        await self.lifespan.shutdown()
        self.finished = True

    async def stop_accepting(self) -> None:
        """Let no new connection begin, and accept those that wait."""
        listeners = [self._listeners[number] for number in self._accepting]
        filtered = [drop_new_connections(listener) for listener in listeners]
        if any(filtered):
            await self._wait(HANDSHAKE_SECONDS)
        await self.accept_from(())
        for listener in listeners:
            await self._accept_queued(listener)
        for listener in self._listeners:
            listener.close()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  (as signal.signal wants it)
        """Stop at the first signal, and cut off running requests at the second."""
        self.force_exit = self.should_exit
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle the signals. uvicorn would raise them again at the end; here a stop on request is a success."""
        before = {number: signal.signal(number, self.handle_exit) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _protocol(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg]  # as uvicorn calls it
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    def _close_after_response(self) -> None:
        closing = ClosingApp(self.config.loaded_app)
        self.config.loaded_app = closing
        for connection in self._connections():
            connection.app = closing
            # If the head of the response has left, the client does not know that the connection will close.
            if connection.cycle is not None and not connection.cycle.response_started:
                connection.cycle.keep_alive = False

    def _protocol_of(self, listener: socket.socket) -> asyncio.Protocol:
        # uvloop accepts one connection a turn. Under load a turn is long, and the others would wait for seconds.
        asyncio.get_running_loop().call_soon(self._accept_waiting, listener)
        return self._protocol()

    def _accept_waiting(self, listener: socket.socket) -> bool:
        """Accept some of the connections that wait; False if none waits any more."""
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                accepted, _ = listener.accept()
            except BlockingIOError:
                return False
            except ConnectionAbortedError:
                continue
            except OSError as error:
                # A closed listener has accepted all of them before.
                if listener.fileno() >= 0:
                    log.warning("connections could not be accepted", extra={"reason": str(error)})
                return False
            accepted.settimeout(0)
            task = asyncio.ensure_future(asyncio.get_running_loop().connect_accepted_socket(self._protocol, accepted))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
        return True

    async def _accept_queued(self, listener: socket.socket) -> None:
        listener.settimeout(0)
        while self._accept_waiting(listener):  # noqa: ASYNC110  (other connections are served meanwhile)
            await asyncio.sleep(0)
        await asyncio.gather(*self._opening, return_exceptions=True)

    async def _drain(self, deadline: float) -> None:
        idle_since: dict[HttpToolsProtocol, float] = {}
        # A connection that was accepted a moment ago is counted only when the event loop has run once more.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        while (self.server_state.connections or self.server_state.tasks) and not self.force_exit:
            now = time.monotonic()
            if now > deadline:
                return
            idle = [connection for connection in self._connections() if _is_idle(connection)]
            idle_since = {connection: idle_since.get(connection, now) for connection in idle}
            for connection, since in idle_since.items():
                if now - since >= IDLE_SECONDS:
                    connection.transport.close()
            await self._wait(POLL_SECONDS)

    async def _wait(self, seconds: float) -> None:
        """Sleep, but not beyond a second signal."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self.force_exit:  # noqa: ASYNC110  (a signal sets it)
            await asyncio.sleep(min(left, POLL_SECONDS))

    def _connections(self) -> list[HttpToolsProtocol]:
        return [each for each in self.server_state.connections if isinstance(each, HttpToolsProtocol)]


def _is_idle(connection: HttpToolsProtocol) -> bool:
    """True if no request is running or arriving on the connection."""
    cycle = connection.cycle
    if cycle is None:
        return connection.scope is None  # type: ignore[unreachable]  # uvicorn's types omit None
    # The scope is new from the first byte of a request, and the cycle from the end of its head.
    return cycle.response_complete and cycle.scope is connection.scope
