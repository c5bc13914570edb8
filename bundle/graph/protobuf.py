"""Reads protobuf messages field by field and checks every length. It needs no schema, and copies nothing.

Reference: Protocol Buffers, Encoding (protobuf.dev/programming-guides/encoding).
"""

from collections.abc import Iterator
from typing import Final

from ..errors import GraphRefused

Field = tuple[int, int, int | memoryview]  # field number; wire type; integer or bytes

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5
VARINT_LIMIT: Final = 10
CONTINUES: Final = 0x80
FIXED_WIDTH: Final = {FIXED64: 8, FIXED32: 4}


def fields(message: memoryview) -> Iterator[Field]:
    """Yield (field number, wire type, value) of one message. The value is an int for a varint, otherwise the bytes.

    Raises:
        GraphRefused: a length runs past the end, a varint does not end, or a wire type is unknown.
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value, at = _varint(message, at)
            yield number, wire, value
            continue
        if wire == BYTES:
            width, at = _varint(message, at)
        elif wire in FIXED_WIDTH:
            width = FIXED_WIDTH[wire]
        else:
            raise GraphRefused(f"not an ONNX file: protobuf wire type {wire} at byte {at}")
        if width > len(message) - at:
            raise GraphRefused(f"not an ONNX file: a field of {width} bytes runs past the end")
        yield number, wire, message[at : at + width]
        at += width


def varints(packed: memoryview) -> Iterator[int]:
    """Yield the integers of a packed list."""
    at = 0
    while at < len(packed):
        value, at = _varint(packed, at)
        yield value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    if at < len(message) and message[at] < CONTINUES:
        return message[at], at + 1
    value = 0
    for step in range(VARINT_LIMIT):
        if at + step >= len(message):
            break
        byte = message[at + step]
        value |= (byte & 0x7F) << (7 * step)
        if not byte & 0x80:
            return value, at + step + 1
    raise GraphRefused(f"not an ONNX file: a varint at byte {at} does not end")
