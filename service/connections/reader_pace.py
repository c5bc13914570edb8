"""Measures how long a client makes an answer wait, and the bytes that the client takes meanwhile."""


class ReaderPace:
    """The pauses of writing in one answer, which count together.

    A client that takes a little at the end of each pause would else get the time for an answer again and again.

    Attributes:
        paused_at: when the current pause began; None while the client keeps up.
    """

    __slots__ = ("_seconds", "_sent", "paused_at")

    def __init__(self) -> None:
        self.paused_at: float | None = None
        self._seconds = 0.0
        self._sent: int | None = None

    def pause(self, now: float, sent: int) -> None:
        """A pause begins, after the operating system has taken `sent` bytes of this connection."""
        self.paused_at = now
        if self._sent is None:
            self._sent = sent

    def resume(self, now: float) -> None:
        """The pause has ended."""
        if self.paused_at is not None:
            self._seconds += now - self.paused_at
            self.paused_at = None

    def restart(self) -> None:
        """Forget all pauses: the client has taken the answer."""
        self._seconds = 0.0
        self._sent = None

    def is_slow(self, now: float, sent: int, seconds: float, bytes_per_second: int) -> bool:
        """True if all pauses took more than `seconds` and the time for the bytes taken since the first one."""
        if self.paused_at is None or self._sent is None:
            return False
        return self._seconds + now - self.paused_at > seconds + (sent - self._sent) / bytes_per_second
