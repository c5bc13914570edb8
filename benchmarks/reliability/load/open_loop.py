"""Sends requests at fixed times, whether earlier ones are answered or not, and notes when each answer came.

A closed loop waits for an answer before it sends the next request, so an overloaded server slows the load down and
hides its own delay (coordinated omission). Here a request takes an idle connection, or a new one if all are busy. If
that would be too many, it waits for one. Its duration counts from the time at which it was due.

One thread with epoll and bare sockets: asyncio would need most of a core for as many requests as the server answers.
"""

import gc
import itertools
import select
import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.reliability.load.answers import Answer, Load

# Sends that are later than this are reported: the generator itself was too slow.
LATE_SECONDS: Final = 0.05
# Answers that are missing at the end of the load are waited for this long.
WAIT_SECONDS: Final = 30.0
# Requests that are sent before the sockets are read again.
AT_ONCE: Final = 16
READ_BYTES: Final = 1 << 18
HEAD_END: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Plan:
    """The load of one open loop.

    Attributes:
        port: port of the server.
        request: the bytes of each request, head and body.
        rate: requests a second.
        seconds: duration of the load.
        addresses: local addresses; the connections use them in turn.
        most_connections: as many as a large group of clients keeps open.
    """

    port: int
    request: bytes
    rate: float
    seconds: float
    addresses: Sequence[str] = ("127.0.0.1",)
    most_connections: int = 2000


def open_loop(plan: Plan) -> Load:
    """Send requests at a fixed rate. Call it in a process of its own: it does nothing else meanwhile."""
    gc.disable()
    return _Generator(plan).at_rate()


def peak(plan: Plan, connections: int) -> float:
    """The good answers a second on so many connections that each send one request after the other, at any rate."""
    gc.disable()
    return _Generator(plan).one_after_the_other(connections) / plan.seconds


@dataclass(slots=True, eq=False)
class _Connection:
    """A connection with at most one request on it; `unsent` is the rest of the request, `received` of the answer."""

    socket: socket.socket
    due: float = 0.0
    waited: float = 0.0
    unsent: bytes | memoryview = b""
    received: bytes = b""
    pending: bool = False
    events: int = field(default=select.EPOLLOUT)


class _Generator:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._load = Load()
        self._poll = select.epoll()
        self._idle: dict[_Connection, None] = {}
        self._open: dict[int, _Connection] = {}
        self._waiting: deque[float] = deque()
        self._addresses = itertools.cycle(plan.addresses)

    def at_rate(self) -> Load:
        plan, load = self._plan, self._load
        load.began = began = time.monotonic()
        total = int(plan.rate * plan.seconds)
        while load.sent < total:
            now = time.monotonic()
            due_count = min(total, int((now - began) * plan.rate) + 1, load.sent + AT_ONCE)
            for number in range(load.sent, due_count):
                self._send(began + number / plan.rate, now)
            ahead = began + load.sent / plan.rate - time.monotonic()
            self._read(max(0.0, ahead))
        self._finish()
        return load

    def one_after_the_other(self, connections: int) -> int:
        began = now = time.monotonic()
        for _ in range(connections):
            self._send(now, now)
        while now - began < self._plan.seconds:
            self._read(0.1)
            now = time.monotonic()
            while self._idle:
                self._send(now, now)
        good = self._load.good_between(began, now)
        self._finish()
        return good

    def _finish(self) -> None:
        ends = time.monotonic() + WAIT_SECONDS
        while len(self._load.answers) < self._load.sent and time.monotonic() < ends:
            self._read(0.1)
        for due in self._waiting:
            self._load.answers.append(Answer(due, time.monotonic() - due, 0, has_retry_after=False))
        self._waiting.clear()
        for connection in [*self._open.values()]:
            self._close(connection)

    def _send(self, due: float, now: float) -> None:
        self._load.late += now - due > LATE_SECONDS
        self._load.sent += 1
        if not self._idle:
            if len(self._open) < self._plan.most_connections:
                self._connect(due)
            else:
                self._waiting.append(due)
            return
        connection, _ = self._idle.popitem()
        connection.due, connection.waited, connection.pending = due, 0.0, True
        self._write(connection, self._plan.request)

    def _connect(self, due: float) -> None:
        waited = max(0.0, time.monotonic() - due)
        connection = _Connection(socket.socket(), due, waited, self._plan.request, pending=True)
        connection.socket.settimeout(0)
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._load.connections += 1
        self._open[connection.socket.fileno()] = connection
        self._poll.register(connection.socket, select.EPOLLOUT)
        try:
            connection.socket.bind((next(self._addresses), 0))
            connection.socket.connect_ex(("127.0.0.1", self._plan.port))
        except OSError:
            self._close(connection)

    def _read(self, seconds: float) -> None:
        for descriptor, events in self._poll.poll(seconds):
            connection = self._open.get(descriptor)
            if connection is None:
                continue
            if events & (select.EPOLLERR | select.EPOLLHUP) and not events & select.EPOLLIN:
                self._close(connection)
            elif events & select.EPOLLOUT:
                self._write(connection, connection.unsent)
            else:
                self._receive(connection)

    def _write(self, connection: _Connection, content: bytes | memoryview) -> None:
        try:
            sent = connection.socket.send(content)
        except BlockingIOError:
            sent = 0
        except OSError:
            # An answer may still be there to read, as when the server has rejected the request before its end.
            connection.unsent = b""
            self._wait_for(connection, select.EPOLLIN)
            return
        connection.unsent = memoryview(content)[sent:] if sent < len(content) else b""
        self._wait_for(connection, select.EPOLLOUT | select.EPOLLIN if connection.unsent else select.EPOLLIN)

    def _wait_for(self, connection: _Connection, events: int) -> None:
        if connection.events != events:
            connection.events = events
            self._poll.modify(connection.socket, events)

    def _receive(self, connection: _Connection) -> None:
        try:
            data = connection.socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(connection)
            return
        received = connection.received + data if connection.received else data
        end = received.find(HEAD_END)
        head = received[:end].lower()
        if end < 0 or len(received) - end - len(HEAD_END) < _length(head):
            connection.received = received
            return
        connection.received = b""
        self._note(connection, int(head[9:12]), has_retry_after=b"\r\nretry-after:" in head)
        if b"\r\nconnection: close" in head or connection.unsent:
            self._close(connection)
        elif self._waiting:
            connection.due, connection.pending = self._waiting.popleft(), True
            connection.waited = time.monotonic() - connection.due
            self._write(connection, self._plan.request)
        else:
            self._idle[connection] = None

    def _note(self, connection: _Connection, status: int, *, has_retry_after: bool) -> None:
        connection.pending = False
        seconds = time.monotonic() - connection.due
        self._load.answers.append(Answer(connection.due, seconds, status, has_retry_after, connection.waited))

    def _close(self, connection: _Connection) -> None:
        if connection.pending:
            self._note(connection, 0, has_retry_after=False)
        self._idle.pop(connection, None)
        del self._open[connection.socket.fileno()]
        self._poll.unregister(connection.socket)
        connection.socket.close()
        if self._waiting:
            self._connect(self._waiting.popleft())


def _length(head: bytes) -> int:
    return int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
