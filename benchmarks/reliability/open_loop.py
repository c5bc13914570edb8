"""Sends requests at fixed times, whether earlier ones are answered or not, and notes when each answer came.

A closed loop waits for an answer before it sends the next request, so an overloaded server slows the load down and
hides its own delay (coordinated omission). Here a request takes an idle connection, or a new one if all are busy; its
duration counts from the time at which it was due.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import httptools
import numpy as np

OK: Final = 200
REJECTED: Final = 429
# Sends that are later than this are reported: the generator itself was too slow.
LATE_SECONDS: Final = 0.05
CONNECTED_SECONDS: Final = 30.0


@dataclass(slots=True)
class Answer:
    """One request: when it was due, how long its answer took, its status (0: none), and whether it names a time."""

    due: float
    seconds: float
    status: int
    has_retry_after: bool


@dataclass(slots=True)
class Load:
    """All requests of one run.

    Attributes:
        sent: requests sent.
        late: requests that were sent more than 50 ms late.
        answers: one entry for each request that ended.
        connections: connections that were opened.
    """

    sent: int = 0
    late: int = 0
    answers: list[Answer] = field(default_factory=list)
    connections: int = 0

    def statuses(self) -> Counter[int]:
        """The number of answers by status."""
        return Counter(answer.status for answer in self.answers)

    def seconds(self, status: int) -> list[float]:
        """The durations of the answers with one status."""
        return [answer.seconds for answer in self.answers if answer.status == status]

    def good_between(self, began: float, ended: float) -> int:
        """The number of requests that were answered with 200 within a window of time."""
        return sum(each.status == OK and began <= each.due + each.seconds < ended for each in self.answers)


def percentile(seconds: Iterable[float], share: float) -> float:
    """A percentile in milliseconds; NaN of none."""
    values = list(seconds)
    return float(np.percentile(values, 100 * share)) * 1000 if values else float("nan")


class Connection(asyncio.Protocol):
    """One connection with at most one request on it.

    Args:
        idle: gets the connection back after each answer.
        load: gets the answers.
    """

    def __init__(self, idle: list["Connection"], load: Load) -> None:
        self._idle = idle
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
        """Note the answer; the connection is idle again."""
        self._end(self._parser.get_status_code())
        if self._closes:
            self.close()
        else:
            self._idle.append(self)

    def connection_lost(self, _: Exception | None) -> None:
        """Note a request that gets no answer."""
        self._transport, self._was_open = None, True
        if self in self._idle:
            self._idle.remove(self)
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


async def open_loop(port: int, requests: Iterator[bytes], rate: float, seconds: float, host: str | None = None) -> Load:
    """Send requests at a fixed rate.

    Args:
        port: port of the server.
        requests: the bytes of each request, head and body.
        rate: requests a second.
        seconds: duration of the load; the answers that are missing then are waited for.
        host: local address of the connections.
    """
    load, idle = Load(), list[Connection]()
    every: list[Connection] = []
    opening: set[asyncio.Task[object]] = set()
    began = time.monotonic()
    for number in range(int(rate * seconds)):
        due = began + number / rate
        ahead = due - time.monotonic()
        if ahead > 0:
            await asyncio.sleep(ahead)
        elif number % 16 == 0:
            await asyncio.sleep(0)
        load.late += time.monotonic() - due > LATE_SECONDS
        if not idle:
            connection = Connection(idle, load)
            every.append(connection)
            task = asyncio.ensure_future(connect(port, connection, host))
            opening.add(task)
            task.add_done_callback(opening.discard)
        else:
            connection = idle.pop()
        connection.send(next(requests), due)
        load.sent += 1
    load.connections = len(every)
    ends = time.monotonic() + CONNECTED_SECONDS
    while len(load.answers) < load.sent and time.monotonic() < ends:  # noqa: ASYNC110  (a poll is enough here)
        await asyncio.sleep(0.02)
    for connection in every:
        connection.close()
    return load


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
                connection = Connection([], load)
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


def post(path: str, body: bytes, media_type: str, *headers: str) -> bytes:
    """The bytes of a POST request."""
    lines = [
        f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {media_type}", f"Content-Length: {len(body)}",
        *headers,
    ]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode() + body


def repeated(request: bytes) -> Iterator[bytes]:
    """The same request for ever."""
    return itertools.repeat(request)
