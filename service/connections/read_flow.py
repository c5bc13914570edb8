"""Pauses reading a connection, and measures for how long: a client has no fault in the time when nobody reads."""

import asyncio
from time import monotonic

from uvicorn.protocols.http.flow_control import FlowControl


class ReadFlow(FlowControl):
    """The flow of one connection.

    Args:
        transport: is paused and resumed.

    Attributes:
        unread_seconds: sum of all pauses of reading that have ended.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self.unread_seconds = 0.0
        self._paused_at = 0.0

    def pause_reading(self) -> None:
        """Stop reading."""
        if not self.read_paused:
            self._paused_at = monotonic()
            super().pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if self.read_paused:
            self.unread_seconds += monotonic() - self._paused_at
            super().resume_reading()
