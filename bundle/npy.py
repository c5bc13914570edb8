"""The npy format, strictly: one C-order table of little-endian floats, its shape checked against its bytes first.

Reference: NEP 1, A simple file format for NumPy arrays.
"""

import io
from typing import Final

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[np.floating]

AXES: Final = 2
HEADER_LIMIT: Final = 256
FLOATS: Final = {"<f4": np.dtype("<f4"), "<f8": np.dtype("<f8")}


class NpyInvalid(ValueError):
    """The bytes are not one table of floats."""


def read(content: bytes) -> Table:
    """The table in the bytes of an npy file, read-only and without a copy.

    Raises:
        NpyInvalid: another version, type, order or shape, or a length that does not fit the shape.
    """
    stream = io.BytesIO(content)
    shape, fortran, dtype = _read_header(stream)
    if dtype not in FLOATS.values() or fortran or len(shape) != AXES:
        order = "Fortran" if fortran else "C"
        raise NpyInvalid(
            f"npy of {dtype} {shape} in {order} order; expected float32 or float64 [rows, columns] in C order"
        )
    rows, columns = shape
    needed = rows * columns * dtype.itemsize
    size = len(content) - stream.tell()
    if rows < 0 or columns < 1 or needed != size:
        raise NpyInvalid(f"npy with {size} bytes of data; shape {shape} of {dtype} needs {needed}")
    return np.frombuffer(content, dtype=dtype, offset=stream.tell()).reshape(rows, columns)


def _read_header(stream: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    # The header alone decides what would be allocated, so it is read and judged before anything is.
    try:
        if np.lib.format.read_magic(stream) == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=HEADER_LIMIT)
            return shape, fortran, dtype
    # A header is a Python literal; a hostile one can fail in any of its parser's ways.
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError, OverflowError) as error:
        raise NpyInvalid("the bytes do not begin with an npy header") from error
    raise NpyInvalid("npy of another version; expected 1.0")


def header(shape: tuple[int, ...], dtype: np.dtype[np.floating]) -> bytes:
    """The first bytes of an npy file of this shape, known before its data."""
    stream = io.BytesIO()
    description = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, description)
    return stream.getvalue()


def write(table: npt.NDArray[np.floating]) -> bytes:
    """The bytes of an npy file of any shape."""
    return header(table.shape, table.dtype) + np.ascontiguousarray(table).tobytes()
