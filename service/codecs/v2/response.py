"""Encodes a v2 response: the JSON, then the bytes of the outputs that are requested as bytes, in their order.

In JSON a table is one flat list, row after row, as every client of the protocol expects; null where it is not finite.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import orjson

from ...answer import Tensor
from ..parsing.number_text import BLOCK_VALUES, number_texts
from .request import RequestedOutput

DATATYPES: Final = {np.dtype(np.float32): "FP32", np.dtype(np.float64): "FP64"}

# The most bytes of memory that encoding takes for each byte of a tensor, as JSON and as bytes.
TEXT_MULTIPLE: Final = 7
COPY_MULTIPLE: Final = 2


class ResponseBody(NamedTuple):
    """The bytes of a response.

    Attributes:
        json_size: how many of the bytes are the JSON; None if all are.
    """

    content: bytes
    json_size: int | None = None


def encode(
    fields: Mapping[str, object], requested: Sequence[RequestedOutput], tensors: Mapping[str, Tensor]
) -> ResponseBody:
    """The body with the requested outputs; `fields` are the JSON fields before them."""
    contiguous = {output.name: np.ascontiguousarray(tensors[output.name]) for output in requested}
    if sum(contiguous[output.name].size for output in requested if not output.binary) > BLOCK_VALUES:
        head = b"".join(_long_head(fields, requested, contiguous))
    else:
        head = _head(fields, requested, contiguous)
    if not any(output.binary for output in requested):
        return ResponseBody(head)
    tail = (contiguous[output.name].data for output in requested if output.binary)
    return ResponseBody(b"".join((head, *tail)), len(head))


def _head(
    fields: Mapping[str, object], requested: Sequence[RequestedOutput], contiguous: Mapping[str, Tensor]
) -> bytes:
    outputs = [_describe(output, contiguous[output.name]) for output in requested]
    return orjson.dumps({**fields, "outputs": outputs}, option=orjson.OPT_SERIALIZE_NUMPY)


def _long_head(
    fields: Mapping[str, object], requested: Sequence[RequestedOutput], contiguous: Mapping[str, Tensor]
) -> Iterator[bytes]:
    # The same text as that of `_head`.
    yield orjson.dumps({**fields, "outputs": []})[: -len(b"]}")]
    for index, output in enumerate(requested):
        tensor = contiguous[output.name]
        yield b"," if index else b""
        if output.binary:
            yield orjson.dumps(_describe(output, tensor))
            continue
        yield orjson.dumps({"name": output.name, "datatype": DATATYPES[tensor.dtype], "shape": tensor.shape})[:-1]
        yield b',"data":['
        yield from number_texts(tensor.reshape(-1))
        yield b"]}"
    yield b"]}"


def _describe(output: RequestedOutput, tensor: Tensor) -> dict[str, object]:
    description = {"name": output.name, "datatype": DATATYPES[tensor.dtype], "shape": tensor.shape}
    # Some clients expect bytes whenever an output has parameters, so an output in JSON has none.
    values = {"parameters": {"binary_data_size": tensor.nbytes}} if output.binary else {"data": tensor.reshape(-1)}
    return {**description, **values}
