"""FlatBuffers, read table by table: no schema, no copy, no recursion, and no offset is followed out of the buffer.

What is read costs what is asked for. A hostile buffer may let a million tables share one long string, so a reader that
unpacks all of it can be made to need the square of its size.

Reference: FlatBuffers, Internals (flatbuffers.dev/internals).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

# Fields that are looked at; a hostile layout may claim 32,000, and a million tables may share it.
FIELDS: Final = 8


class FlatbufferInvalid(ValueError):
    """An offset or a length leads out of the buffer."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table: where it begins in the buffer, and where its fields do; 0 stands for a field that is left out."""

    content: memoryview
    begin: int
    fields: tuple[int, ...]

    @classmethod
    def root(cls, content: memoryview) -> Self:
        """The table that the buffer is of."""
        return cls._at(content, _number(content, "<I", 0))

    @classmethod
    def _at(cls, content: memoryview, begin: int) -> Self:
        layout = begin - _number(content, "<i", begin)
        size = _number(content, "<H", layout)
        return cls(content, begin, _numbers(content, "<H", layout + 4, min(max(size - 4, 0) // 2, FIELDS)))

    def number(self, field: int, form: str, default: int = 0) -> int:
        """The scalar in a field, in the struct module's letters."""
        at = self._place(field)
        return default if at is None else _number(self.content, form, at)

    def table(self, field: int) -> Self | None:
        """The table that a field refers to."""
        at = self._target(field)
        return None if at is None else self._at(self.content, at)

    def text(self, field: int, limit: int) -> bytes:
        """The string that a field refers to, cut behind `limit` bytes."""
        at, size = self._vector(field)
        return bytes(_slice(self.content, at, min(size, limit)))

    def count(self, field: int) -> int:
        """How many elements a vector claims to have: to be judged before they are read."""
        return self._vector(field)[1]

    def tables(self, field: int) -> Iterator[Self]:
        """The tables that a vector refers to."""
        at, size = self._vector(field)
        for place in range(at, at + 4 * size, 4):
            yield self._at(self.content, place + _number(self.content, "<I", place))

    def pairs(self, field: int) -> list[tuple[int, int]]:
        """A vector of structs of two int64."""
        at, size = self._vector(field)
        flat = _numbers(self.content, "<q", at, 2 * size)
        return list(zip(flat[::2], flat[1::2], strict=True))

    def _place(self, field: int) -> int | None:
        offset = self.fields[field] if field < len(self.fields) else 0
        return self.begin + offset if offset else None

    def _target(self, field: int) -> int | None:
        at = self._place(field)
        return None if at is None else at + _number(self.content, "<I", at)

    def _vector(self, field: int) -> tuple[int, int]:
        at = self._target(field)
        return (0, 0) if at is None else (at + 4, _number(self.content, "<I", at))


def _slice(content: memoryview, at: int, size: int) -> memoryview:
    # A negative offset would count from the end.
    if at < 0 or at + size > len(content):
        raise FlatbufferInvalid(f"{size} bytes at {at} of {len(content)}")
    return content[at : at + size]


def _number(content: memoryview, form: str, at: int) -> int:
    (value,) = struct.unpack(form, _slice(content, at, struct.calcsize(form)))
    return int(value)


def _numbers(content: memoryview, form: str, at: int, count: int) -> tuple[int, ...]:
    letters = form[0] + form[1] * count
    return struct.unpack(letters, _slice(content, at, struct.calcsize(letters)))
