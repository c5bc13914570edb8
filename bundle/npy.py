"""Reads and writes npy files of one kind: a C-order array of little-endian floats whose size fits its header.

Reference: NEP 1, A simple file format for NumPy arrays.
"""

import ast
import functools
import io
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, TypeGuard

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[np.floating]

AXES: Final = 2
# NumPy refuses to describe more axes or numbers, also in an array that an axis of size 0 makes empty.
MAX_AXES: Final = 32
MAX_NUMBERS: Final = 2**59
MAGIC: Final = b"\x93NUMPY\x01\x00"
PREAMBLE: Final = 10
HEADER_LIMIT: Final = 256
FLOATS: Final[dict[str, np.dtype[np.floating]]] = {"<f4": np.dtype("<f4"), "<f8": np.dtype("<f8")}


class NpyInvalid(ValueError):
    """The bytes are not an npy file of floats."""


def read(content: bytes | memoryview) -> Table:
    """The table [rows, columns] in the bytes of an npy file, read-only and without a copy.

    Raises:
        NpyInvalid: wrong version, type, order or shape, or a size that does not fit the shape.
    """
    description, begin = _read_header(content)
    dtype, shape = FLOATS.get(str(description.get("descr"))), description.get("shape")
    if dtype is None or description.get("fortran_order") is not False or not _is_table(shape):
        raise NpyInvalid("npy of another kind; expected float32 or float64 of shape (rows, columns) in C order")
    rows, columns = shape
    needed, size = rows * columns * dtype.itemsize, len(content) - begin
    if needed != size:
        raise NpyInvalid(f"npy with {size} bytes of data; its header needs {needed}")
    flat: Table = np.frombuffer(content, dtype=dtype, offset=begin)
    return flat.reshape(rows, columns)


class Layout(NamedTuple):
    """The content of a header: type and shape of the data, and the offset at which the data begin."""

    dtype: np.dtype[np.floating]
    shape: tuple[int, ...]
    begin: int

    @property
    def size(self) -> int:
        """Size of the data in bytes."""
        return self.dtype.itemsize * math.prod(self.shape)


def layout(content: bytes | memoryview) -> Layout | None:
    """The layout of an array of any shape from the first bytes of its file; None if they do not hold the whole header.

    Raises:
        NpyInvalid: wrong version, type or order, or no shape.
    """
    if len(content) < PREAMBLE or len(content) < _begin(content) <= PREAMBLE + HEADER_LIMIT:
        return None
    description, begin = _read_header(content)
    dtype, shape = FLOATS.get(str(description.get("descr"))), description.get("shape")
    if dtype is None or description.get("fortran_order") is not False or not _is_shape(shape):
        raise NpyInvalid("npy of another kind; expected float32 or float64 in C order")
    return Layout(dtype, shape, begin)


def _is_shape(shape: object) -> TypeGuard[tuple[int, ...]]:
    if not isinstance(shape, tuple) or len(shape) > MAX_AXES:
        return False
    is_plain = all(type(size) is int and size >= 0 for size in shape)
    return is_plain and math.prod(size or 1 for size in shape) <= MAX_NUMBERS


def _begin(content: bytes | memoryview) -> int:
    return PREAMBLE + int.from_bytes(content[8:PREAMBLE], "little")


def _is_table(shape: object) -> TypeGuard[tuple[int, int]]:
    if not isinstance(shape, tuple) or len(shape) != AXES or any(type(size) is not int for size in shape):
        return False
    return bool(shape[0] >= 0 and shape[1] >= 1 and (shape[0] or 1) * shape[1] <= MAX_NUMBERS)


def _read_header(content: bytes | memoryview) -> tuple[Mapping[object, object], int]:
    # NumPy's reader raises undocumented errors on damaged headers. The header is one Python literal, so it is evaluated
    # as one, and it is checked before memory is allocated for the data.
    begin = _begin(content)
    if content[:8] != MAGIC or begin - PREAMBLE > HEADER_LIMIT or begin > len(content):
        raise NpyInvalid("the bytes do not begin with the header of npy version 1.0")
    return _parse_header(bytes(content[PREAMBLE:begin])), begin


@functools.lru_cache(maxsize=256)
def _parse_header(header: bytes) -> Mapping[object, object]:
    # Cached, because clients send tables of the same few shapes many times.
    try:
        description = ast.literal_eval(header.decode("ascii").strip())
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise NpyInvalid("the npy header is not a Python literal") from error
    if not isinstance(description, dict):
        raise NpyInvalid("the npy header is not a dictionary")
    return MappingProxyType(description)


@functools.lru_cache(maxsize=256)
def header(shape: tuple[int, ...], dtype: np.dtype[np.floating]) -> bytes:
    """The header of an npy file of this shape."""
    stream = io.BytesIO()
    description = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, description)
    return stream.getvalue()


def write(table: npt.NDArray[np.floating]) -> bytes:
    """The bytes of an npy file; the array may have any shape."""
    return header(table.shape, table.dtype) + np.ascontiguousarray(table).tobytes()
