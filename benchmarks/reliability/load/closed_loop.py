"""Sends requests one after the other on each of several connections, and notes when each answer came."""

import asyncio
import time

import httptools

from benchmarks.reliability.load.answers import REJECTED, Answer, Load


class Connection(asyncio.Protocol):
    """One connection with at most one request on it.

    Args:
        load: gets the answers.
    """

    def __init__(self, load: Load) -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._due = 0.0
        self._waiting: bytes | None = None
        self._pending = False
        self._has_retry_after = self._closes = self._was_open = False
        self.done: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # a stream's transport
        """Send the request that waits for the connection."""
        self._transport, self._was_open = transport, True
        if self._waiting is not None:
            transport.write(self._waiting)
            self._waiting = None

    @property
    def is_closed(self) -> bool:
        """Whether the server has closed the connection, or said that it will."""
        return self._closes or (self._was_open and self._transport is None)

    def send(self, request: bytes, due: float) -> None:
        """Send a request now, or as soon as the connection is open."""
        self._due, self._pending, self._has_retry_after = due, True, False
        if self._transport is None:
            self._waiting = request
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Read a part of the answer."""
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note whether the answer names a time to try again, and whether the server closes."""
        lower = name.lower()
        if lower == b"retry-after":
            self._has_retry_after = True
        elif lower == b"connection" and value.lower() == b"close":
            self._closes = True

    def on_message_complete(self) -> None:
        """Note the answer; close the connection if the server will."""
        self._end(self._parser.get_status_code())
        if self._closes:
            self.close()

    def connection_lost(self, _: Exception | None) -> None:
        """Note a request that gets no answer."""
        self._transport, self._was_open = None, True
        self._end(0)

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def _end(self, status: int) -> None:
        if not self._pending:
            return
        self._pending = False
        if self.done is not None:
            done, self.done = self.done, None
            done.set_result(status)
        self._load.answers.append(Answer(self._due, time.monotonic() - self._due, status, self._has_retry_after))


async def closed_loop(  # noqa: PLR0913, PLR0917  (a load, and where it comes from)
    port: int,
    request: bytes,
    connections: int,
    seconds: float,
    host: str | None = None,
    pause: float = 0.0,
    rejected_pause: float = 0.0,
) -> Load:
    """Send one request after another on each of several connections, with a pause after each answer."""
    load = Load()
    ends = time.monotonic() + seconds

    async def one() -> None:
        connection: Connection | None = None
        while time.monotonic() < ends:
            began = time.monotonic()
            if connection is None or connection.is_closed:
                connection = Connection(load)
                await connect(port, connection, host)
            connection.done = done = asyncio.get_running_loop().create_future()
            connection.send(request, began)
            load.sent += 1
            status = await done
            await asyncio.sleep(rejected_pause if status == REJECTED else pause)
        if connection is not None:
            connection.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return load


async def connect(port: int, connection: Connection, host: str | None) -> None:
    """Open a connection from a local address."""
    local = None if host is None else (host, 0)
    try:
        await asyncio.get_running_loop().create_connection(lambda: connection, "127.0.0.1", port, local_addr=local)
    except OSError:
        connection.connection_lost(None)
