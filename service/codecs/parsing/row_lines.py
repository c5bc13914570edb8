"""Writes rows as lines of text, each float in its shortest form that reads back exactly; no Python loop over rows."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import orjson

from ...answer import Tensor

# orjson writes this for NaN. No digit, sign or exponent contains these letters.
NULL: Final = b"null"
# orjson writes these between two rows of a table, and between two numbers of a vector.
ROW_SEPARATOR: Final = b"],["
NUMBER_SEPARATOR: Final = b","
# The text of this number of rows stays in the processor's cache until it is joined.
BLOCK_ROWS: Final = 1024


class Field(NamedTuple):
    """One tensor of a line, and the text that is written before its numbers."""

    prefix: bytes
    tensor: Tensor


def row_lines(fields: Sequence[Field], line_end: bytes) -> bytes:
    """One line for each row: for each field its prefix and its numbers with commas between them; then `line_end`."""
    rows = len(fields[0].tensor)
    blocks = (
        [Field(prefix, tensor[at : at + BLOCK_ROWS]) for prefix, tensor in fields] for at in range(0, rows, BLOCK_ROWS)
    )
    return b"".join(
        _lines_of_one_field(block[0], line_end) if len(block) == 1 else _lines_of_fields(block, line_end)
        for block in blocks
    )


def _lines_of_one_field(field: Field, line_end: bytes) -> bytes:
    text, separator = _numbers_text(field.tensor)
    return field.prefix + text.replace(separator, line_end + field.prefix) + line_end


def _lines_of_fields(fields: Sequence[Field], line_end: bytes) -> bytes:
    # A line is a prefix and a text for each field, then the line end: fill each kind with one slice assignment.
    rows, width = len(fields[0].tensor), 2 * len(fields) + 1
    texts = [line_end] * (rows * width)
    for index, (prefix, tensor) in enumerate(fields):
        text, separator = _numbers_text(tensor)
        texts[2 * index :: width] = [prefix] * rows
        texts[2 * index + 1 :: width] = text.split(separator)
    return b"".join(texts)


def _numbers_text(tensor: Tensor) -> tuple[bytes, bytes]:
    text = orjson.dumps(np.ascontiguousarray(tensor), option=orjson.OPT_SERIALIZE_NUMPY)
    return (text[1:-1], NUMBER_SEPARATOR) if tensor.ndim == 1 else (text[2:-2], ROW_SEPARATOR)
