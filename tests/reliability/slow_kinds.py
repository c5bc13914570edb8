"""The kinds of slow connections: what each sends at once, what it then drips, and whether it reads."""

import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

POST: Final = b"POST /log_prob HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
LIVE: Final = b"GET /livez HTTP/1.1\r\nHost: x\r\n"


class SlowKind(NamedTuple):
    """One kind of slow connection.

    Attributes:
        start: sent at once.
        drip: sent again and again; nothing if empty.
        reads: whether the client reads as fast as it can.
        takes: bytes that a client which does not takes at once, after each pause.
        pause: seconds of that pause.
    """

    start: bytes
    drip: bytes = b""
    reads: bool = True
    takes: int = 0
    pause: float = 0.9


def kinds(model: str) -> Mapping[str, SlowKind]:
    """Every kind, with requests for the model."""
    name = model.encode()
    sample = b"POST /sample?model=%s&num_samples=%%d&seed=1&format=%%s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    sample %= name
    return {
        "silent": SlowKind(b""),
        "head, a byte at a time": SlowKind(LIVE + b"X: ", b"a"),
        "head that stops": SlowKind(LIVE),
        "body, a byte at a time": SlowKind(POST + b"Content-Length: 100000\r\n\r\n{", b" "),
        "body that stops": SlowKind(POST + b"Content-Length: 100000\r\n\r\n{"),
        "body that stops, with a deadline": SlowKind(
            POST + b"X-Request-Timeout-Ms: 300\r\nContent-Length: 100000\r\n\r\n{"
        ),
        "chunks, a byte at a time": SlowKind(POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", b"1\r\n \r\n"),
        "v2 body that stops": SlowKind(
            b"POST /v2/models/%s/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{" % name
        ),
        "idle after an answer": SlowKind(LIVE + b"\r\n"),
        "idle, then one byte": SlowKind(LIVE + b"\r\nG"),
        "reads nothing of a stream": SlowKind(sample % (10_000_000, b"csv"), reads=False),
        "reads 2 MiB at the end of each pause": SlowKind(sample % (10_000_000, b"csv"), reads=False, takes=2**21),
        "reads nothing of one large answer": SlowKind(sample % (300_000, b"json"), reads=False),
    }


@dataclass
class SlowClient:
    """One connection of a kind: what it received, and the seconds after which the server closed it."""

    kind: SlowKind
    connection: socket.socket
    began: float = field(default_factory=time.monotonic)
    received: bytes = b""
    taken_at: float = field(default_factory=time.monotonic)
    closed_after: float | None = None

    @classmethod
    def connect(cls, port: int, kind: SlowKind) -> "SlowClient":
        """Connect and send the start."""
        connection = socket.socket()
        if not kind.reads:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port))
        connection.sendall(kind.start)
        connection.settimeout(0)
        return cls(kind, connection)

    def step(self) -> None:
        """Read or drip, and see if the connection is closed."""
        try:
            if not self.kind.reads:
                established = 1
                if self.connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[0] != established:
                    self._close()
                elif self.kind.takes and time.monotonic() - self.taken_at > self.kind.pause:
                    self.taken_at = time.monotonic()
                    self._take()
                return
            if self.kind.drip:
                self.connection.send(self.kind.drip)
            data = self.connection.recv(65_536)
            self.received += data
            if not data:
                self._close()
        except BlockingIOError:
            pass
        except OSError:
            self._close()

    def _take(self) -> None:
        taken, part = 0, b"x"
        while taken < self.kind.takes and part:
            part = self.connection.recv(self.kind.takes - taken)
            taken += len(part)

    def _close(self) -> None:
        self.closed_after = time.monotonic() - self.began
        self.connection.close()


def play(clients: Sequence[SlowClient], seconds: float, pause: float = 0.1) -> None:
    """Step every open client until all are closed, for at most some seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(client.closed_after is None for client in clients):
        for client in clients:
            if client.closed_after is None:
                client.step()
        time.sleep(pause)
