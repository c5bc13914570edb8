"""Estimates from the size of a body, before it is read, how many rows it holds, if it holds the model's columns only.

The estimate is low for short numbers. It is high for further columns, such as text that is skipped, and for much white
space; the work of such a body counts as more than it is until the body is decoded.
"""

import re
from collections.abc import Mapping
from typing import Final

# Bytes of one number, by name of the format: a float64.
NUMBER_BYTES: Final[Mapping[str, int]] = {"npy": 8, "npz": 8, "arrow": 8}
# A number as text, with its separator: 24 characters are the longest float64. Only much white space needs more.
TEXT_BYTES: Final = 32
# A smaller body is cheap, and its head is a large part of it.
SMALLEST_BYTES: Final = 4096
# The head of an npy body names the type of its numbers, and comes first.
NPY_TYPE: Final = re.compile(rb"'descr': *'[<>=|]?[fiub](\d)'")
NPY_HEAD_BYTES: Final = 256


def rows_at_least(length: int, format_name: str, dimension: int, start: bytes = b"") -> int:
    """The fewest rows of a body of this size that has the model's columns only; 0 for a small body.

    Args:
        length: bytes of the body.
        format_name: name of the format; a name that is not known stands for text.
        dimension: numbers of one row.
        start: the first bytes of the body, if they are here. Those of npy tell the size of a number.

    Example:
        >>> rows_at_least(80_128, "npy", 2), rows_at_least(80_128, "json", 2), rows_at_least(100, "npy", 2)
        (5008, 1252, 0)
        >>> rows_at_least(80_128, "npy", 2, b"{'descr': '<f4', 'fortran_order': False, ...")
        10016
    """
    if length < SMALLEST_BYTES:
        return 0
    number_bytes = NUMBER_BYTES.get(format_name, TEXT_BYTES)
    if format_name == "npy" and (found := NPY_TYPE.search(start, 0, NPY_HEAD_BYTES)):
        number_bytes = min(number_bytes, max(1, int(found[1])))
    return length // (number_bytes * dimension)
