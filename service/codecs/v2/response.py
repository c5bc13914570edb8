"""A v2 answer: the JSON, then the bytes of those outputs that are wanted as bytes, in its order.

In JSON a table is flat, row after row, as every client of the protocol reads it, and null where it is not finite.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import orjson

from ...answer import Tensor
from .request import Wanted

DATATYPES: Final = {np.dtype(np.float32): "FP32", np.dtype(np.float64): "FP64"}


class Body(NamedTuple):
    """The bytes of an answer.

    Attributes:
        json_bytes: how many of them are the JSON; None where all are.
    """

    content: bytes
    json_bytes: int | None = None


def encode(facts: Mapping[str, object], wanted: Sequence[Wanted], tensors: Mapping[str, Tensor]) -> Body:
    """The body that has these outputs, and before them in the JSON these facts."""
    whole = {output.name: np.ascontiguousarray(tensors[output.name]) for output in wanted}
    outputs = [_described(output, whole[output.name]) for output in wanted]
    head = orjson.dumps({**facts, "outputs": outputs}, option=orjson.OPT_SERIALIZE_NUMPY)
    if not any(output.binary for output in wanted):
        return Body(head)
    return Body(b"".join((head, *(whole[output.name].data for output in wanted if output.binary))), len(head))


def _described(output: Wanted, tensor: Tensor) -> dict[str, object]:
    described = {"name": output.name, "datatype": DATATYPES[tensor.dtype], "shape": tensor.shape}
    # A client may take any parameters here for a promise of bytes: an output in JSON has none.
    rest = {"parameters": {"binary_data_size": tensor.nbytes}} if output.binary else {"data": tensor.reshape(-1)}
    return {**described, **rest}
