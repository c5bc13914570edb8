"""A transport that drops what is written after its end, that can close late, and that can reset."""

import asyncio
import socket
import struct
from collections.abc import Callable, Iterable


class ConnectionTransport(asyncio.Transport):
    """The transport of one connection.

    Args:
        transport: sends the data.
        linger: called by `close`; True if it closes the connection later, so that the transport stays open.

    Attributes:
        written: all bytes that were written.
    """

    __slots__ = ("_linger", "_transport", "written")

    def __init__(self, transport: asyncio.Transport, linger: Callable[[], bool] = lambda: False) -> None:
        super().__init__()
        self._transport = transport
        self._linger = linger
        self.written = 0

    def write(self, data: "bytes | bytearray | memoryview[int]") -> None:
        """Send data; drop it if the client has gone."""
        # asyncio's own transports drop the data; that of uvloop raises.
        if not self._transport.is_closing():
            # Writing may call `pause_writing`, which needs the sum.
            self.written += len(data)
            self._transport.write(data)

    def writelines(self, list_of_data: "Iterable[bytes | bytearray | memoryview[int]]") -> None:
        """Send several buffers with one system call."""
        if not self._transport.is_closing():
            buffers = [*list_of_data]
            self.written += sum(map(len, buffers))
            self._transport.writelines(buffers)

    def close(self) -> None:
        """Close, now or later."""
        if not self._linger():
            self._transport.close()

    def write_eof(self) -> None:
        """Send the end of the stream; the other direction stays open."""
        self._transport.write_eof()

    @property
    def sent(self) -> int:
        """Bytes that the operating system has taken."""
        return self.written - self._transport.get_write_buffer_size()

    def get_write_buffer_size(self) -> int:
        """Bytes that the operating system has not taken yet."""
        return self._transport.get_write_buffer_size()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def reset(self) -> None:
        """Close at once, and let the operating system drop what the client did not take; else it would keep it."""
        connection = self._transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def is_closing(self) -> bool:
        """True if it is closed or closing."""
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        """Stop passing data to the protocol."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Pass data to the protocol again."""
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Information about the socket."""
        return self._transport.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Pass data to another protocol."""
        self._transport.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The protocol that gets the data."""
        return self._transport.get_protocol()
