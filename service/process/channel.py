"""Messages between the supervisor and one worker, over a pair of sockets that ends when either process ends.

A worker sends READY once, BEAT all the time from its event loop, and LEAVE if a signal asks it to stop. The supervisor
sends LISTEN with the numbers of the sockets to accept from, RETIRE to a worker that another one replaces, and STOP when
the service stops.
"""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

READY, BEAT, LEAVE = "ready", "beat", "leave"
LISTEN, RETIRE, STOP = "listen", "retire", "stop"
MESSAGE_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Message:
    """One word, and the numbers of sockets after LISTEN."""

    word: str
    numbers: tuple[int, ...] = ()


class Channel:
    """One end of the pair.

    Args:
        end: a connected Unix socket that keeps the boundaries of messages.

    Attributes:
        ended: True once the other process has closed its end or has ended.
    """

    def __init__(self, end: socket.socket) -> None:
        end.settimeout(0)
        self._end = end
        self.ended = False

    @classmethod
    def pair(cls) -> tuple[Self, socket.socket]:
        """The end of this process, and the socket for another process."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours), theirs

    def fileno(self) -> int:
        """The descriptor, to wait for messages."""
        return self._end.fileno()

    def send(self, word: str, numbers: Sequence[int] = ()) -> bool:
        """Send a message without waiting; False if the other process has ended or reads nothing."""
        try:
            self._end.send(" ".join([word, *map(str, numbers)]).encode())
        except OSError:
            return False
        return True

    def receive(self) -> list[Message]:
        """All messages that have arrived."""
        messages: list[Message] = []
        while not self.ended:
            try:
                data = self._end.recv(MESSAGE_BYTES)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                self.ended = True
                break
            word, *numbers = data.decode().split()
            messages.append(Message(word, tuple(map(int, numbers))))
        return messages

    def close(self) -> None:
        """Close this end."""
        self._end.close()
