"""The JSON of a v2 request as plain objects, strict; a large table of numbers stays out of Python's own objects.

As for `diffeo.service.codecs.json` there are two quick ways, whose results are those of the exact way, value by value.
"""

import math
from typing import Final, TypeGuard

import numpy as np
import orjson
import simdjson

from ...errors import InvalidRequest
from ..json import LONG_INTEGER, NUMBERS, keys, parse, plain
from .signature import Array

# Below this orjson and Python's own lists are faster than simdjson and its buffer.
SMALL_BYTES: Final = 1024
# Several times what any model takes or gives.
MAX_TENSORS: Final = 64
DATA: Final = b'"data":'
TENSORS: Final = frozenset({"inputs", "outputs"})

Document = dict[str, object]


class Numbers:
    """The data of one input, as they stand in the JSON `head`."""

    def __init__(self, values: simdjson.Array, head: bytes) -> None:
        self._values = values
        self._head = head

    def table(self, shape: tuple[int, ...]) -> Array | None:
        """The numbers, where they are plainly those of this shape, flat or nested; None where only a walk can tell."""
        try:
            flat = np.frombuffer(self._values.as_buffer(of_type="d"), dtype=np.float64)
        except TypeError:
            return None
        if not flat.size or flat.size != math.prod(shape):
            return None
        return flat.reshape(shape) if self._is_written_as((flat.size,), shape) else None

    def values(self) -> object:
        """Whatever they are."""
        return self._values.as_list()

    def _is_written_as(self, *shapes: tuple[int, ...]) -> bool:
        # Without numbers and white space a table is a pattern. Where nothing is escaped, its key is not in a string.
        _, found, after = self._head.translate(None, NUMBERS).partition(DATA)
        alone = bool(found) and DATA not in after and b"\\" not in self._head
        return alone and after.startswith(tuple(map(_pattern, shapes)))


def read(head: bytes) -> Document:
    """The object in the bytes: lists and dictionaries, but the data of an input may be `Numbers`.

    Raises:
        MalformedBody: the bytes are not one JSON object, or repeat a key.
        InvalidRequest: more keys or tensors than any request needs.
    """
    if len(head) <= SMALL_BYTES and (document := _read_small(head)) is not None:
        return document
    found = parse(head)
    return {key: _value(key, found[key], head) for key in keys(found)}


def _read_small(head: bytes) -> Document | None:
    try:
        document = orjson.loads(head)
    except orjson.JSONDecodeError:
        return None
    # As many colons as keys: no key is repeated. No escape: every text is what it looks like.
    if not _is_object(document) or b"\\" in head or LONG_INTEGER.search(head) or head.count(b":") != _count(document):
        return None
    return document


def _is_object(value: object) -> TypeGuard[Document]:
    return type(value) is dict


def _count(value: object) -> int:
    if _is_object(value):
        return len(value) + sum(map(_count, value.values()))
    # Lists of numbers are long and hold no key; a list of objects begins with one.
    if type(value) is list and value and type(value[0]) is dict:
        return sum(map(_count, value))
    return 0


def _value(key: str, value: object, head: bytes) -> object:
    if key not in TENSORS or not isinstance(value, simdjson.Array):
        return _checked(value)
    if len(value) > MAX_TENSORS:
        raise InvalidRequest(f"the request has {len(value)} {key}; expected at most {MAX_TENSORS}")
    return [_tensor(entry, head) for entry in value]


def _tensor(entry: object, head: bytes) -> object:
    if not isinstance(entry, simdjson.Object):
        return plain(entry)
    return {key: _member(key, entry[key], head) for key in keys(entry)}


def _member(key: str, value: object, head: bytes) -> object:
    return Numbers(value, head) if key == "data" and isinstance(value, simdjson.Array) else _checked(value)


def _checked(value: object) -> object:
    if isinstance(value, simdjson.Object):
        keys(value)
    return plain(value)


def _pattern(shape: tuple[int, ...]) -> bytes:
    inner = b"" if len(shape) == 1 else _pattern(shape[1:])
    return b"[" + b",".join([inner] * shape[0]) + b"]"
