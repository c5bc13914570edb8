"""The rows that a codec decodes from a body, for tests of bodies that have rows."""

from diffeo.service.codecs.codec import Codec
from diffeo.service.requests import Rows


def decoded_rows(codec: Codec, body: bytes) -> Rows:
    """The rows in the body; fails if it has none."""
    rows = codec.decode(body, {}).rows
    assert rows is not None
    return rows
