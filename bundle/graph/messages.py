"""Reads a message of ONNX against its list of fields. A field that is not on the list is refused.

A field that may occur once is refused if it occurs twice, because a protobuf reader merges or replaces the first.
Text must be UTF-8: a runtime prints it, and other programs read that print.

Reference: onnx/onnx.proto3 (field numbers), ONNX IR version 12.
"""

import itertools
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ..errors import GraphRefused
from . import limits, protobuf

Kind = Literal["integer", "integers", "float", "floats", "doubles", "text", "texts", "bytes", "message", "messages"]
Schema = Mapping[int, Kind]

# The wire types of each kind; a list of numbers may be packed. A protobuf reader skips a field of another wire type.
WIRES: Final[Mapping[Kind, frozenset[int]]] = {
    "integer": frozenset({protobuf.VARINT}),
    "integers": frozenset({protobuf.VARINT, protobuf.BYTES}),
    "float": frozenset({protobuf.FIXED32}),
    "floats": frozenset({protobuf.FIXED32, protobuf.BYTES}),
    "doubles": frozenset({protobuf.FIXED64, protobuf.BYTES}),
    **dict.fromkeys(("text", "texts", "bytes", "message", "messages"), frozenset({protobuf.BYTES})),
}
REPEATED: Final = frozenset({"integers", "floats", "doubles", "texts", "messages"})

ENTRY: Final[Schema] = {1: "text", 2: "text"}
MODEL: Final[Schema] = {
    1: "integer", 2: "text", 3: "text", 4: "text", 5: "integer", 6: "text", 7: "message", 8: "messages",
    14: "messages", 25: "messages",
}  # fmt: skip
OPSET: Final[Schema] = {1: "text", 2: "integer"}
GRAPH: Final[Schema] = {
    1: "messages", 2: "text", 5: "messages", 10: "text", 11: "messages", 12: "messages", 13: "messages",
    15: "messages", 16: "messages",
}  # fmt: skip
NODE: Final[Schema] = {
    1: "texts", 2: "texts", 3: "text", 4: "text", 5: "messages", 6: "text", 7: "text", 8: "text", 9: "messages",
}  # fmt: skip
ATTRIBUTE: Final[Schema] = {
    1: "text", 2: "float", 3: "integer", 4: "bytes", 5: "message", 6: "message", 7: "floats", 8: "integers",
    10: "messages", 11: "messages", 13: "text", 20: "integer", 22: "message", 23: "messages",
}  # fmt: skip
TENSOR: Final[Schema] = {
    1: "integers", 2: "integer", 4: "floats", 5: "integers", 7: "integers", 8: "text", 9: "bytes", 10: "doubles",
    12: "text", 13: "messages", 14: "integer", 16: "messages",
}  # fmt: skip
VALUE: Final[Schema] = {1: "text", 2: "message", 3: "text", 4: "messages"}
TYPE: Final[Schema] = {1: "message", 6: "text"}
TENSOR_TYPE: Final[Schema] = {1: "integer", 2: "message"}
SHAPE: Final[Schema] = {1: "messages"}
DIMENSION: Final[Schema] = {1: "integer", 2: "text", 3: "text"}

INTEGER_BITS: Final = 64


@dataclass(frozen=True, slots=True)
class Message:
    """The fields of one message, by number."""

    integers: Mapping[int, Sequence[int]]
    floats: Mapping[int, Sequence[float]]
    texts: Mapping[int, Sequence[str]]
    parts: Mapping[int, Sequence[memoryview]]

    def has(self, number: int) -> bool:
        """True if the message has this field."""
        return any(number in fields for fields in (self.integers, self.floats, self.texts, self.parts))

    def integer(self, number: int) -> int:
        """The integer in this field, or 0."""
        return self.integers.get(number, (0,))[0]

    def text(self, number: int) -> str:
        """The text in this field, or ""."""
        return self.texts.get(number, ("",))[0]


def read(name: str, content: memoryview, schema: Schema) -> Message:
    """The fields of a message.

    Raises:
        GraphRefused: the bytes are no such message.
    """
    integers: dict[int, list[int]] = {}
    floats: dict[int, list[float]] = {}
    texts: dict[int, list[str]] = {}
    parts: dict[int, list[memoryview]] = {}
    seen: set[int] = set()
    for number, wire, value in protobuf.fields(content):
        kind = schema.get(number)
        if kind is None:
            raise GraphRefused(f"{name} holds the unknown field {number} of ONNX; expected the graph of a flow")
        if wire not in WIRES[kind]:
            raise GraphRefused(f"{name} holds the field {number} with the wire type {wire}; expected that of {kind}")
        if number in seen and kind not in REPEATED:
            raise GraphRefused(f"{name} holds the field {number} of one message twice")
        seen.add(number)
        if isinstance(value, int) or kind == "integers":
            integers.setdefault(number, []).extend(_integers(name, value))
            _check_count(name, len(integers[number]))
        elif kind in {"float", "floats", "doubles"}:
            floats.setdefault(number, []).extend(_floats(name, value, kind))
            _check_count(name, len(floats[number]))
        elif kind in {"text", "texts"}:
            texts.setdefault(number, []).append(_text(name, value))
        else:
            parts.setdefault(number, []).append(value)
    return Message(integers, floats, texts, parts)


def _check_count(name: str, count: int) -> None:
    # A list may come in many parts, and the limit is that of the whole.
    if count > limits.MAX_LISTED_NUMBERS:
        raise GraphRefused(f"{name} lists more than {limits.MAX_LISTED_NUMBERS} numbers one by one; expected raw bytes")


def _integers(name: str, value: int | memoryview) -> list[int]:
    if isinstance(value, int):
        return [_signed(name, value)]
    most = limits.MAX_LISTED_NUMBERS
    return [_signed(name, number) for number in itertools.islice(protobuf.varints(value), most + 1)]


def _signed(name: str, value: int) -> int:
    if value >> INTEGER_BITS:
        raise GraphRefused(f"{name} holds an integer of more than {INTEGER_BITS} bits")
    return value - (value >> (INTEGER_BITS - 1) << INTEGER_BITS)


def _floats(name: str, value: memoryview, kind: Kind) -> tuple[float, ...]:
    width, code = (8, "d") if kind == "doubles" else (4, "f")
    if len(value) % width:
        raise GraphRefused(f"{name} holds no whole number of floats where floats are expected")
    if len(value) > width * limits.MAX_LISTED_NUMBERS:
        raise GraphRefused(f"{name} lists {len(value) // width} floats one by one; expected raw bytes")
    return struct.unpack(f"<{len(value) // width}{code}", value)


def _text(name: str, value: memoryview) -> str:
    if len(value) > limits.MAX_NAME_BYTES:
        raise GraphRefused(f"{name} holds a name or text of {len(value)} bytes; at most {limits.MAX_NAME_BYTES}")
    try:
        text = bytes(value).decode("utf-8")
    except UnicodeDecodeError:
        raise GraphRefused(f"{name} holds a name or text that is not UTF-8: {ascii(bytes(value))[1:][:64]}") from None
    if "\0" in text:
        raise GraphRefused(f"{name} holds a name or text with a zero byte: {ascii(text)[:64]}")
    return text
