"""Rows as lines of text, every float the shortest that reads back as itself; no step runs once a row in Python."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import orjson

from ...answer import Tensor

# What orjson writes for NaN; no digit of a number can be mistaken for it.
NULL: Final = b"null"
# Between two rows of a table and two numbers of a vector, as orjson writes them.
BETWEEN_ROWS: Final = b"],["
BETWEEN_NUMBERS: Final = b","
# The texts of so many rows stay in the cache until they are joined.
BLOCK: Final = 1024

Values = Sequence[tuple[bytes, Tensor]]


def lines(values: Values, end: bytes) -> bytes:
    """Row after row: each tensor's numbers behind the text that introduces them, commas between them, then `end`."""
    rows = len(values[0][1])
    blocks = ([(before, tensor[at : at + BLOCK]) for before, tensor in values] for at in range(0, rows, BLOCK))
    return b"".join(_one(*block[0], end) if len(block) == 1 else _several(block, end) for block in blocks)


def _one(before: bytes, tensor: Tensor, end: bytes) -> bytes:
    text, between = _text(tensor)
    return before + text.replace(between, end + before) + end


def _several(values: Values, end: bytes) -> bytes:
    rows, width = len(values[0][1]), 2 * len(values) + 1
    parts = [end] * (rows * width)
    for index, (before, tensor) in enumerate(values):
        text, between = _text(tensor)
        parts[2 * index :: width] = [before] * rows
        parts[2 * index + 1 :: width] = text.split(between)
    return b"".join(parts)


def _text(tensor: Tensor) -> tuple[bytes, bytes]:
    text = orjson.dumps(np.ascontiguousarray(tensor), option=orjson.OPT_SERIALIZE_NUMPY)
    return (text[1:-1], BETWEEN_NUMBERS) if tensor.ndim == 1 else (text[2:-2], BETWEEN_ROWS)
