"""One worker process as the supervisor sees it: its channel, its age, its last sign of life, the sockets it serves."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Final

from .channel import LEAVE, LISTEN, READY, RETIRE, STOP, Channel

COMMAND: Final = (sys.executable, "-P", "-m", "diffeo.service.process.worker")


@dataclass(frozen=True, slots=True)
class Launch:
    """All that a worker needs to start.

    Attributes:
        content: file with the settings and other values, which the worker reads.
        descriptors: the descriptors that the content names, which the worker inherits.
    """

    content: IO[bytes]
    descriptors: Sequence[int]


def memory_file() -> IO[bytes]:
    """An empty file without a name, so nothing can delete it. It lies in memory where the system offers that."""
    try:
        return os.fdopen(os.memfd_create("diffeo"), "w+b", buffering=0)
    except (AttributeError, OSError):
        return tempfile.TemporaryFile(buffering=0)


class WorkerProcess:
    """A running worker.

    Args:
        launch: all that the worker needs to start.
        is_replacement: True if a worker of the service has served before.

    Raises:
        OSError: the system has no room for one more process or descriptor.

    Attributes:
        started: time.monotonic() of its start.
        last_beat: time.monotonic() at which the last sign of life of its event loop was read.
        ready: True once it can accept connections.
        leaving: True once a signal asked it to stop.
        retired: time.monotonic() at which the supervisor told it to stop; None before.
    """

    def __init__(self, launch: Launch, *, is_replacement: bool = False) -> None:
        self._channel, theirs = Channel.pair()
        with theirs:
            inherited = [theirs.fileno(), launch.content.fileno(), *launch.descriptors]
            numbers = theirs.fileno(), launch.content.fileno(), int(is_replacement)
            command = [*COMMAND, *map(str, numbers)]
            try:
                self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=inherited)  # noqa: S603  (our own module)
            except OSError:
                self._channel.close()
                raise
        self.started = self.last_beat = time.monotonic()
        self.ready = self.leaving = False
        self.retired: float | None = None
        self._listens: Sequence[int] | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Its exit code, or the negative number of the signal that ended it; None while it runs."""
        return self._process.poll()

    def fileno(self) -> int:
        """The descriptor of its channel, to wait for messages."""
        return self._channel.fileno()

    def read(self) -> bool:
        """Read its messages; False if it has closed its channel."""
        for message in self._channel.receive():
            self.last_beat = time.monotonic()
            self.ready |= message.word == READY
            self.leaving |= message.word == LEAVE
        return not self._channel.ended

    def listen(self, numbers: Sequence[int]) -> None:
        """Tell it the sockets to accept connections from."""
        if numbers != self._listens and self._channel.send(LISTEN, numbers):
            self._listens = numbers

    def retire(self) -> None:
        """Tell it to leave its sockets to another worker, answer its requests and end."""
        self._tell_end(RETIRE)

    def stop(self) -> None:
        """Tell it to answer the connections that wait in its sockets, answer its requests and end."""
        self._tell_end(STOP)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def close(self) -> None:
        """Release the channel of an ended worker."""
        self._channel.close()

    def _tell_end(self, word: str) -> None:
        if self.retired is None:
            self.retired = time.monotonic()
            if not (self.ready and self._channel.send(word)):
                self.kill()
