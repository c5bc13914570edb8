"""Parses the JSON of a v2 request strictly; a large `data` array is not converted to Python objects.

As in `diffeo.service.codecs.json`, two fast paths give the same result as the careful path or leave the body to it.
"""

import math
from collections.abc import Collection
from typing import Final, TypeGuard

import numpy as np
import orjson
import simdjson

from ...errors import InvalidRequest
from ..parsing.long_document import without_lists
from ..parsing.long_list import TABLE_NUMBER_BYTES
from ..parsing.strict_json import LONG_INTEGER, parse_object, to_python, unique_keys
from .long_data import LongData, LongDataReader
from .signature import Array

# Up to this size orjson and Python lists are faster than simdjson and its buffer.
SMALL_BYTES: Final = 1024
# A longer text is read in pieces, which is faster too.
LONG_BYTES: Final = 128 * 1024
# Several times the tensors of any model.
MAX_TENSORS: Final = 64
DATA_KEY: Final = b'"data":'
# In {"inputs": [{"data": ...
DATA_KEYS: Final = frozenset({"data"})
DATA_DEPTH: Final = 3
TENSOR_LISTS: Final = frozenset({"inputs", "outputs"})

Document = dict[str, object]


class DataArray:
    """The `data` array of one input, not yet converted to Python objects.

    Args:
        values: the array.
        document: the JSON in which the array is.
    """

    def __init__(self, values: simdjson.Array, document: bytes) -> None:
        self._values = values
        self._document = document

    def as_table(self, shape: tuple[int, ...]) -> Array | None:
        """The numbers in this shape; None if only a check value by value can show that they have it."""
        try:
            flat = np.frombuffer(self._values.as_buffer(of_type="d"), dtype=np.float64)
        except TypeError:
            return None
        if not flat.size or flat.size != math.prod(shape):
            return None
        return flat.reshape(shape) if self._is_written_as((flat.size,), shape) else None

    def as_list(self) -> object:
        """The values as Python objects; they may be of any type."""
        return self._values.as_list()

    def only_index(self) -> int:
        """The only value, which is the number of a list in a `ShortDocument`."""
        return int(str(self._values[0]))

    def _is_written_as(self, *shapes: tuple[int, ...]) -> bool:
        # Without its numbers and white space, a table is a fixed pattern of brackets and commas. If the document has
        # no backslash and the key only once, the key is not part of a string.
        _, found, after = self._document.translate(None, TABLE_NUMBER_BYTES).partition(DATA_KEY)
        unique = bool(found) and DATA_KEY not in after and b"\\" not in self._document
        return unique and after.startswith(tuple(map(_bracket_pattern, shapes)))


def read(text: bytes, names: Collection[str], most: int) -> Document:
    """The JSON object in the text: lists and dictionaries, but the data of an input may be a `DataArray`.

    The data of a long text is always a `LongData`.

    Args:
        text: the JSON.
        names: the names of the model's inputs, for error sentences.
        most: the most rows, or values, in the data of an input.

    Raises:
        MalformedBody: the text is not one JSON object, or repeats a key.
        InvalidRequest: it has more keys or tensors than any request needs, or long data that is no table.
        TooLarge: the data of an input holds more than `most`.
    """
    if len(text) > LONG_BYTES:
        return _read_long(text, names, most)
    if len(text) <= SMALL_BYTES and (document := _read_small(text)) is not None:
        return document
    found = parse_object(text)
    return {key: _convert_field(key, found[key], text) for key in unique_keys(found)}


def _read_long(text: bytes, names: Collection[str], most: int) -> Document:
    short = without_lists(text, DATA_KEYS, DATA_DEPTH, LongDataReader(text, names, most))
    found = parse_object(short.text)
    fields = {key: _convert_field(key, found[key], short.text) for key in unique_keys(found)}
    for tensors in fields.values():
        for tensor in tensors if isinstance(tensors, list) else ():
            # In place of a list, `without_lists` wrote a list that holds only its number.
            if _is_object(tensor) and isinstance(data := tensor.get("data"), DataArray):
                tensor["data"] = LongData(text, short.lists[data.only_index()][1], most)
    return fields


def _read_small(text: bytes) -> Document | None:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    # With as many colons as keys, no key is repeated. Without a backslash, every string is written as it is.
    if not _is_object(document) or b"\\" in text or LONG_INTEGER.search(text):
        return None
    return document if text.count(b":") == _count_keys(document) else None


def _is_object(value: object) -> TypeGuard[Document]:
    return type(value) is dict


def _count_keys(value: object) -> int:
    if _is_object(value):
        return len(value) + sum(map(_count_keys, value.values()))
    # A list of numbers can be long and has no keys; a list of objects begins with an object.
    if type(value) is list and value and type(value[0]) is dict:
        return sum(map(_count_keys, value))
    return 0


def _convert_field(key: str, value: object, text: bytes) -> object:
    if key not in TENSOR_LISTS or not isinstance(value, simdjson.Array):
        return _convert(value)
    if len(value) > MAX_TENSORS:
        raise InvalidRequest(f"the request has {len(value)} {key}; send at most {MAX_TENSORS}")
    return [_convert_tensor(entry, text) for entry in value]


def _convert_tensor(entry: object, text: bytes) -> object:
    if not isinstance(entry, simdjson.Object):
        return to_python(entry)
    return {key: _convert_tensor_field(key, entry[key], text) for key in unique_keys(entry)}


def _convert_tensor_field(key: str, value: object, text: bytes) -> object:
    return DataArray(value, text) if key == "data" and isinstance(value, simdjson.Array) else _convert(value)


def _convert(value: object) -> object:
    if isinstance(value, simdjson.Object):
        unique_keys(value)
    return to_python(value)


def _bracket_pattern(shape: tuple[int, ...]) -> bytes:
    inner = b"" if len(shape) == 1 else _bracket_pattern(shape[1:])
    return b"[" + b",".join([inner] * shape[0]) + b"]"
