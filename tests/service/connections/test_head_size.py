"""A head is accepted if it has at most the bytes of the limit, however its bytes arrive."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Final

import pytest

from diffeo.service.connections.limits import ConnectionLimits
from tests.service.connections.opened import opened
from tests.service.connections.test_protocol import get, responding

LIMIT: Final = ConnectionLimits().head_bytes
FIELDS: Final = {"one header": 1, "16 headers": 16, "90 headers": 90}
BODY: Final = b"x" * 1000
POST: Final = get(b"POST", b"content-length: %d\r\n" % len(BODY)) + BODY


def head(size: int, fields: int) -> bytes:
    """A head of `size` bytes with so many headers beside Host."""
    start, end = b"GET / HTTP/1.1\r\nhost: a\r\n", b"\r\n"
    left = size - len(start) - len(end)
    sizes = [left // fields + (number < left % fields) for number in range(fields)]
    return start + b"".join(b"x%03d: %b\r\n" % (number, b"a" * (each - 8)) for number, each in enumerate(sizes)) + end


def split(data: bytes, *positions: int) -> list[bytes]:
    """The parts of data between positions."""
    edges = [0, *positions, len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


# How the bytes of a head arrive, and how many requests come before it.
ARRIVALS: Final[dict[str, tuple[Callable[[bytes], list[bytes]], int]]] = {
    "alone": (lambda data: [data], 0),
    "behind a request": (lambda data: [get() + data], 1),
    "behind a body": (lambda data: [POST + data], 1),
    "behind the rest of a body": (lambda data: [POST[:-10], POST[-10:] + data], 1),
    "from CR to LF": (lambda data: split(data, data.index(b"\n")), 0),
    "in two parts": (lambda data: split(data, len(data) // 2), 0),
    "in many parts": (lambda data: split(data, *range(100, len(data), 1000)), 0),
    "begun behind a request": (lambda data: [get() + data[:-5], data[-5:]], 1),
    "begun behind a body": (lambda data: split(POST + data, len(POST) + len(data) - LIMIT // 2), 1),
    "begun behind 40 requests": (lambda data: [get() * 40 + data[:-5], data[-5:]], 40),
}


@pytest.mark.parametrize("size", [LIMIT // 2, LIMIT - 300, LIMIT + 300, 2 * LIMIT - 100, 10 * LIMIT])
@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS.keys())
@pytest.mark.parametrize("arrival", ARRIVALS)
def test_a_head_is_accepted_if_it_is_within_the_limit(arrival: str, fields: int, size: int) -> None:
    parts, before = ARRIVALS[arrival]

    async def run() -> list[int]:
        connection = opened(responding(b"ok"))
        for part in parts(head(size, fields)):
            connection.protocol.data_received(part)
            await connection.answered()
        connection.protocol.connection_lost(None)
        return connection.statuses

    assert asyncio.run(run()) == [200] * before + [200 if size <= LIMIT else 431]
