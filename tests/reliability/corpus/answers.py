"""Reads HTTP answers from a socket byte by byte as they come, without a client library that would mend them."""

import asyncio
from dataclasses import dataclass
from typing import Final

INTERIM: Final = range(100, 200)
BODILESS: Final = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer.

    Attributes:
        headers: by name in lower case; of a repeated name the last value.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def keeps_connection(self) -> bool:
        """Whether the server promises to read another request from the connection."""
        return self.headers.get("connection", "").lower() != "close"


async def read_answer(reader: asyncio.StreamReader, *, no_body: bool) -> Answer:
    """The next final answer of a connection.

    Raises:
        asyncio.IncompleteReadError: the server closed the connection before the end of an answer.
    """
    while True:
        status, headers = await _read_head(reader)
        if status not in INTERIM:
            break
    if no_body or status in BODILESS:
        return Answer(status, headers, b"")
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return Answer(status, headers, await _read_chunks(reader))
    if "content-length" in headers:
        return Answer(status, headers, await reader.readexactly(int(headers["content-length"])))
    return Answer(status, headers, await reader.read())


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = text[:-4].split("\r\n")
    fields = [line.partition(":") for line in lines]
    return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in fields}


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    found = bytearray()
    while size := int((await reader.readuntil(b"\r\n"))[:-2], 16):
        found += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return bytes(found)
