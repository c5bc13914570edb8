"""A response whose client has gone is dropped."""

import asyncio

import pytest

from diffeo.service.connections.transport import ConnectionTransport

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"


class ClosedTransport(asyncio.Transport):
    """A transport whose connection is closed; like that of uvloop, it raises when it is written to."""

    def is_closing(self) -> bool:
        return True

    def write(self, data: "bytes | bytearray | memoryview[int]") -> None:
        raise RuntimeError(f"the handler is closed; it got {len(data)} bytes")

    def close(self) -> None:
        pass


@pytest.mark.parametrize("parts", [(HEAD, b"x"), (HEAD,), (b"x",)])
def test_data_written_after_the_end_of_the_connection_are_dropped(parts: tuple[bytes, ...]) -> None:
    holding = ConnectionTransport(ClosedTransport())
    for part in parts:
        holding.write(part)
    holding.close()
