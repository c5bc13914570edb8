"""Decompresses in small steps, with a limit on the size of the result: a gzip or deflate body, or a raw stream."""

import zlib
from collections.abc import Mapping
from typing import Final, NamedTuple

from ...errors import MalformedBody, TooLarge

# By Content-Encoding, the window bits that make zlib read it. HTTP's "deflate" is the zlib format.
CONTENT_ENCODINGS: Final[Mapping[str, int]] = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
RAW: Final = -zlib.MAX_WBITS
# Each step copies the input that it leaves, so the input is cut too.
INPUT_BYTES: Final = 2**16
OUTPUT_BYTES: Final = 2**20


class Inflated(NamedTuple):
    """The result of a decompression.

    Attributes:
        content: the decompressed bytes; one more than the limit, if the stream holds more.
        complete: whether the stream ends with the last byte of the input.
    """

    content: bytes
    complete: bool


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
    try:
        inflated = inflate_stream(body, CONTENT_ENCODINGS[encoding], limit)
    except zlib.error:
        raise MalformedBody(f"the body is not {encoding}") from None
    if len(inflated.content) > limit:
        raise TooLarge(f"the decompressed body exceeds the limit of {limit} bytes; send fewer rows in each request")
    if not inflated.complete:
        raise MalformedBody(f"the body is not one complete {encoding} stream")
    return inflated.content


def inflate_stream(packed: bytes | memoryview, window_bits: int, limit: int) -> Inflated:
    """Decompress a stream up to one byte more than the limit; raises zlib.error for a stream that is not valid."""
    decompressor = zlib.decompressobj(window_bits)
    parts: list[bytes] = []
    left, at = limit + 1, 0
    data: bytes | memoryview = b""
    while left and not decompressor.eof:
        if not data:
            data = memoryview(packed)[at : at + INPUT_BYTES]
            at += len(data)
        part = decompressor.decompress(data, min(OUTPUT_BYTES, left))
        parts.append(part)
        left -= len(part)
        data = decompressor.unconsumed_tail
        # The last input may be consumed before the last output is returned.
        if not data and not part and at >= len(packed):
            break
    complete = decompressor.eof and not decompressor.unused_data and at >= len(packed)
    # join() lets other threads run while it copies; one step of decompression does too.
    return Inflated(b"".join(parts), complete)
