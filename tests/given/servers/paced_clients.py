"""Clients that send one request after the other, and a note of how each request ended."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

ANSWERED, REFUSED, WRONG = "answered", "refused", "wrong"
LIMIT_SECONDS: Final = 30.0
HEAD_END: Final = b"\r\n\r\n"


def post(path: str, body: bytes) -> bytes:
    """A request with a JSON body, as it is sent."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@dataclass(slots=True)
class PacedClients:
    """Clients of one server; every second one uses a new connection for each request, the others keep theirs.

    A request that fails on its way is sent again once, on a new connection. If nobody listens, the client tries again.

    Attributes:
        port: of the server.
        request: what each client sends.
        is_right: whether the body of an answer is right.
        count: number of clients.
        pause: seconds between two requests of one client.
        ends: how many requests ended in each way.
        seconds: duration of each answered request.
        running: the clients stop when it is False.
    """

    port: int
    request: bytes
    is_right: Callable[[bytes], bool] = lambda _: True
    count: int = 8
    pause: float = 0.01
    ends: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    running: bool = True

    @property
    def unanswered(self) -> dict[str, int]:
        """The requests that reached a listening server and got no right answer at the first try."""
        return {end: count for end, count in self.ends.items() if end not in {ANSWERED, REFUSED}}

    @property
    def lost(self) -> dict[str, int]:
        """The requests that got no right answer at the second try either."""
        return {end: count for end, count in self.unanswered.items() if not end.endswith("then answered")}

    async def run(self) -> None:
        """Send until `running` is False."""
        async with asyncio.TaskGroup() as group:
            for number in range(self.count):
                group.create_task(self._client(keeps=number % 2 == 0))

    async def _client(self, *, keeps: bool) -> None:
        connection = _Connection(self.port)
        while self.running:
            began = time.perf_counter()
            end = await self._send(connection)
            if end == ANSWERED:
                self.seconds.append(time.perf_counter() - began)
            elif end != REFUSED:
                connection.close()
                end = f"{end}, then {await self._retry(connection)}"
            self.ends[end] += 1
            if not keeps:
                connection.close()
            await asyncio.sleep(self.pause)
        connection.close()

    async def _retry(self, connection: "_Connection") -> str:
        """The end of the second try; while nobody listens, there is none."""
        while (end := await self._send(connection)) == REFUSED and self.running:
            connection.close()
            await asyncio.sleep(0.01)
        return end

    async def _send(self, connection: "_Connection") -> str:
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                status, body = await connection.exchange(self.request)
        except ConnectionRefusedError:
            return REFUSED
        except (OSError, asyncio.IncompleteReadError) as error:
            return type(error).__name__
        if status != 200:
            return str(status)
        return ANSWERED if self.is_right(body) else WRONG


class _Connection:
    """A connection that is opened when it is needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def exchange(self, request: bytes) -> tuple[int, bytes]:
        """Send a request and read the status and the body of its response."""
        if self._streams is not None and self._streams[0].at_eof():
            # The server closed the idle connection, and the client knows.
            self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(HEAD_END)).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        if b"connection: close" in head:
            self.close()
        return int(head.split()[1]), body

    def close(self) -> None:
        """Close the connection if there is one."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
