"""A compressed body becomes what it was before, and never more bytes than a body may have."""

import zlib
from collections.abc import Mapping
from typing import Final

from ...errors import MalformedBody, TooLarge

# By Content-Encoding, what zlib calls its format: deflate is zlib's own.
FORMATS: Final[Mapping[str, int]] = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """The bytes that were compressed.

    Raises:
        TooLarge: they are more than `limit`; no more than that are ever in memory.
        MalformedBody: the body is not compressed in this way, or not whole.
    """
    unpacker = zlib.decompressobj(FORMATS[encoding])
    try:
        content = unpacker.decompress(body, limit + 1)
    except zlib.error:
        raise MalformedBody(f"the body is not {encoding}") from None
    if len(content) > limit:
        raise TooLarge(f"the body unpacks to more than the limit of {limit} bytes; send it in parts")
    if not unpacker.eof or unpacker.unused_data:
        raise MalformedBody(f"the body is not one whole {encoding} stream")
    return content
