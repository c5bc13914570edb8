"""Decompresses a gzip or deflate body, with a limit on the size of the result."""

import zlib
from collections.abc import Mapping
from typing import Final

from ...errors import MalformedBody, TooLarge

# By Content-Encoding, the window bits that make zlib read it. HTTP's "deflate" is the zlib format.
CONTENT_ENCODINGS: Final[Mapping[str, int]] = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """Decompress a body.

    Args:
        body: one complete compressed stream.
        encoding: a key of CONTENT_ENCODINGS.
        limit: the largest allowed size of the result in bytes.

    Raises:
        TooLarge: the result is larger than `limit`; at most one byte more than that is decompressed.
        MalformedBody: the body is not one complete stream of this encoding.
    """
    decompressor = zlib.decompressobj(CONTENT_ENCODINGS[encoding])
    try:
        content = decompressor.decompress(body, limit + 1)
    except zlib.error:
        raise MalformedBody(f"the body is not {encoding}") from None
    if len(content) > limit:
        raise TooLarge(f"the decompressed body exceeds the limit of {limit} bytes; send fewer rows in each request")
    if not decompressor.eof or decompressor.unused_data:
        raise MalformedBody(f"the body is not one complete {encoding} stream")
    return content
