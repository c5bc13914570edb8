"""Writes the numbers of a tensor as JSON in blocks, so that a long answer does not hold up all other threads."""

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import orjson

from ...answer import Tensor

# Numbers of one block; their text takes a few ms.
BLOCK_VALUES: Final = 2**15


def row_blocks(tensors: Mapping[str, Tensor]) -> Iterator[Mapping[str, Tensor]]:
    """The tensors of an answer cut into blocks of rows; an answer without rows is one block."""
    rows = len(next(iter(tensors.values())))
    step = _block_rows(max(tensor.size for tensor in tensors.values()), rows)
    if rows <= step:
        yield tensors
        return
    for at in range(0, rows, step):
        yield {name: tensor[at : at + step] for name, tensor in tensors.items()}


def number_texts(tensor: Tensor) -> Iterator[bytes]:
    """The elements of the tensor with commas between them, block after block; together, without the outer brackets."""
    step = _block_rows(tensor.size, len(tensor))
    for at in range(0, len(tensor), step):
        text = orjson.dumps(np.ascontiguousarray(tensor[at : at + step]), option=orjson.OPT_SERIALIZE_NUMPY)
        yield (b"," if at else b"") + text[1:-1]


def _block_rows(values: int, rows: int) -> int:
    return max(1, BLOCK_VALUES * rows // values) if values else max(1, rows)
