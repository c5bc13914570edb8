"""Reads FlatBuffers lazily: no schema, no copy, no recursion, and every offset is checked against the buffer.

The cost is proportional to the fields that are read. In a hostile buffer a million tables may share one long string,
so a reader that unpacks everything can need the square of the size of the buffer.

Reference: FlatBuffers, Internals (flatbuffers.dev/internals).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

INT64: Final = np.dtype("<i8")
# Only the first fields of a table are read. A hostile layout may claim 32,000, shared by a million tables.
MAX_FIELDS: Final = 8


class FlatbufferInvalid(ValueError):
    """An offset or a length points outside the buffer."""


@dataclass(frozen=True, slots=True)
class FlatbufferTable:
    """One table of a buffer.

    Attributes:
        content: the whole buffer.
        begin: position of the table in the buffer.
        field_offsets: position of each field, relative to `begin`; 0 for a field that is absent.
    """

    content: memoryview
    begin: int
    field_offsets: tuple[int, ...]

    @classmethod
    def root(cls, content: memoryview) -> Self:
        """The root table of the buffer."""
        return cls._at(content, _read_number(content, "<I", 0))

    @classmethod
    def _at(cls, content: memoryview, begin: int) -> Self:
        layout = begin - _read_number(content, "<i", begin)
        size = _read_number(content, "<H", layout)
        count = min(max(size - 4, 0) // 2, MAX_FIELDS)
        return cls(content, begin, _read_layout(content, layout + 4, count))

    def number(self, field: int, form: str, default: int = 0) -> int:
        """The number in a field.

        Args:
            field: index of the field in the schema.
            form: byte order and type, as in the struct module.
            default: the result if the field is absent.
        """
        at = self._field_position(field)
        return default if at is None else _read_number(self.content, form, at)

    def table(self, field: int) -> Self | None:
        """The table that a field refers to; None if the field is absent."""
        at = self._referenced_position(field)
        return None if at is None else self._at(self.content, at)

    def text(self, field: int, limit: int) -> bytes:
        """The first `limit` bytes of the string that a field refers to; empty if the field is absent."""
        at, size = self._vector(field)
        return bytes(_slice(self.content, at, min(size, limit)))

    def count(self, field: int) -> int:
        """The number of elements that a vector claims to have. Check it before the elements are read."""
        return self._vector(field)[1]

    def tables(self, field: int) -> Iterator[Self]:
        """The tables in a vector."""
        at, size = self._vector(field)
        for position in range(at, at + 4 * size, 4):
            yield self._at(self.content, position + _read_number(self.content, "<I", position))

    def pairs(self, field: int) -> Integers:
        """The structs of two int64 in a vector, as an array [structs, 2] over the bytes of the buffer."""
        at, size = self._vector(field)
        return np.frombuffer(_slice(self.content, at, 2 * INT64.itemsize * size), INT64).reshape(size, 2)

    def integers(self, field: int) -> Integers:
        """The int64 numbers in a vector, as an array over the bytes of the buffer."""
        at, size = self._vector(field)
        return np.frombuffer(_slice(self.content, at, INT64.itemsize * size), INT64)

    def _field_position(self, field: int) -> int | None:
        offset = self.field_offsets[field] if field < len(self.field_offsets) else 0
        return self.begin + offset if offset else None

    def _referenced_position(self, field: int) -> int | None:
        at = self._field_position(field)
        return None if at is None else at + _read_number(self.content, "<I", at)

    def _vector(self, field: int) -> tuple[int, int]:
        """The position of the first element and the number of elements; (0, 0) if the field is absent."""
        at = self._referenced_position(field)
        return (0, 0) if at is None else (at + 4, _read_number(self.content, "<I", at))


def _slice(content: memoryview, at: int, size: int) -> memoryview:
    # A negative position would count from the end.
    if at < 0 or at + size > len(content):
        raise FlatbufferInvalid(f"{size} bytes at position {at} are outside the buffer of {len(content)} bytes")
    return content[at : at + size]


def _read_number(content: memoryview, form: str, at: int) -> int:
    (value,) = struct.unpack(form, _slice(content, at, struct.calcsize(form)))
    return int(value)


def _read_layout(content: memoryview, at: int, count: int) -> tuple[int, ...]:
    # The struct module keeps formats that it has seen: a repeat count keeps them short, and MAX_FIELDS keeps them few.
    return struct.unpack(f"<{count}H", _slice(content, at, 2 * count))
