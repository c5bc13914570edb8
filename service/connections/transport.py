"""A transport that sends the head and the body of a response in one system call, and that can close late.

uvicorn writes the head, then the body, and uvloop sends each write at once, so the client would wake up twice.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Final

STATUS: Final = b"HTTP/1.1 "
# A 1xx response: the client waits for it before it sends its body.
INTERIM: Final = b"HTTP/1.1 1"
END_OF_HEAD: Final = b"\r\n\r\n"
# Up to this size, joining head and body is faster than a system call with two buffers.
JOINED_BYTES: Final = 64 * 1024


class HeadHoldingTransport(asyncio.Transport):
    """A transport that holds the head of a response until the next write, `flush` or `close`.

    Other data is sent at once. A body that looks like a head is held in the same way, so it is sent as well.

    Args:
        transport: sends the data.
        linger: called by `close`; True if it closes the connection later, so that the transport stays open.
    """

    __slots__ = ("_head", "_linger", "_transport")

    def __init__(self, transport: asyncio.Transport, linger: Callable[[], bool] = lambda: False) -> None:
        super().__init__()
        self._transport = transport
        self._linger = linger
        self._head = b""

    def write(self, data: "bytes | bytearray | memoryview[int]") -> None:
        """Send the held head and `data`, or hold `data` if it is a head; drop both if the client has gone."""
        if self._transport.is_closing():
            # asyncio's own transports drop the data; that of uvloop raises.
            self._head = b""
        elif self._head:
            head, self._head = self._head, b""
            if len(data) <= JOINED_BYTES:
                self._transport.write(b"".join((head, data)))
            else:
                self._transport.writelines((head, data))
        elif isinstance(data, bytes) and _is_head(data):
            self._head = data
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Send the held head."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        """Send the held head and close, now or later."""
        self.flush()
        if not self._linger():
            self._transport.close()

    def write_eof(self) -> None:
        """Send the held head, then the end of the stream; the other direction stays open."""
        self.flush()
        self._transport.write_eof()

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


def _is_head(data: bytes) -> bool:
    return data.startswith(STATUS) and data.endswith(END_OF_HEAD) and not data.startswith(INTERIM)
