"""A compressed body decompresses to its content or is an error; memory stays below the limit."""

import gzip
import tracemalloc
import zlib
from collections.abc import Callable, Mapping

import pytest

from diffeo.service.codecs.parsing.inflate import inflate
from diffeo.service.errors import MalformedBody, TooLarge

COMPRESS: Mapping[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}
CONTENT = b'{"x": [[1, 2]]}' * 100


@pytest.mark.parametrize("encoding", COMPRESS)
@pytest.mark.parametrize("content", [b"", CONTENT], ids=["nothing", "much"])
def test_a_compressed_body_decompresses_to_its_content(encoding: str, content: bytes) -> None:
    assert inflate(COMPRESS[encoding](content), encoding, len(content)) == content


@pytest.mark.parametrize("encoding", COMPRESS)
def test_a_decompression_bomb_is_too_large_and_is_not_decompressed(encoding: str) -> None:
    bomb = COMPRESS[encoding](bytes(50_000_000))
    assert len(bomb) < 100_000
    tracemalloc.start()
    with pytest.raises(TooLarge, match="limit of 1000000 bytes"):
        inflate(bomb, encoding, 1_000_000)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("encoding", COMPRESS)
def test_a_body_that_is_not_one_complete_compressed_stream_is_malformed(encoding: str) -> None:
    packed = COMPRESS[encoding](CONTENT)
    other = COMPRESS["gzip" if encoding == "deflate" else "deflate"](CONTENT)
    for body in (b"", b"{}", packed[:-1], packed + b"\0", packed * 2, other, packed[:-4] + b"\0\0\0\0"):
        with pytest.raises(MalformedBody, match=encoding):
            inflate(body, encoding, 10**6)
