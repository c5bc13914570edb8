"""HTTP as uvicorn speaks it, but head and body of an answer leave in one system call and wake the client once.

uvicorn writes the head, then the body, and uvloop sends each write at once.
"""

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

STATUS: Final = b"HTTP/1.1 "
# 1xx: the client waits for it before it sends its body.
INTERIM: Final = b"HTTP/1.1 1"
END_OF_HEAD: Final = b"\r\n\r\n"
# Fewer bytes are copied faster than two pieces are sent together.
COPIED_BYTES: Final = 64 * 1024


class OneWriteProtocol(HttpToolsProtocol):
    """uvicorn's protocol over a transport that keeps the head of an answer for its body."""

    transport: "OneWrite"

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Take up a connection."""
        super().connection_made(OneWrite(transport))

    def on_response_complete(self) -> None:
        """An answer is whole: to HEAD it is a head alone."""
        self.transport.flush()
        super().on_response_complete()


class OneWrite(asyncio.Transport):
    """A transport that keeps the head of an answer until the next write, `flush` or `close`.

    Whatever else is written goes on at once. A body that looks like a head is kept no longer than one.

    Args:
        transport: what sends.
    """

    __slots__ = ("_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._head = b""

    def write(self, data: "bytes | bytearray | memoryview[int]") -> None:
        """Send `data` after what is kept, or keep it where it is a head."""
        if self._head:
            head, self._head = self._head, b""
            if len(data) <= COPIED_BYTES:
                self._transport.write(b"".join((head, data)))
            else:
                self._transport.writelines((head, data))
        elif isinstance(data, bytes) and _is_head(data):
            self._head = data
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Send what is kept."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        """Send what is kept, and close."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def is_closing(self) -> bool:
        """Closed, or about to be."""
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        """Stop giving data to the protocol."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Give data to the protocol again."""
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: object = None) -> object:
        """What the transport knows of its socket."""
        return self._transport.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let another protocol read."""
        self._transport.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """What reads."""
        return self._transport.get_protocol()


def _is_head(data: bytes) -> bool:
    return data.startswith(STATUS) and data.endswith(END_OF_HEAD) and not data.startswith(INTERIM)
