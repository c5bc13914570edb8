"""One input of a v2 request: numbers from the JSON, or from the bytes after it, in the shape that the input names."""

import math
from typing import Final

import numpy as np

from ...errors import InvalidRequest, MalformedBody
from .document import Numbers
from .fields import Named, is_size, scalars, shown, without
from .signature import ANY, TYPES, Array, Signature, Tensor

# The protocol's ways to say that a tensor lies elsewhere.
ELSEWHERE: Final = ("shared_memory_region", "shared_memory_byte_size", "shared_memory_offset")
PROTOCOL: Final = frozenset("BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 BF16 FP32 FP64 BYTES".split())
NUMBERS: Final = frozenset({int, float, type(None)})
INT64: Final = range(-(2**63), 2**63)

Shape = tuple[int, ...]


class Rest:
    """The bytes after the JSON, taken one tensor after the other."""

    def __init__(self, body: bytes, offset: int) -> None:
        self._body = body
        self._offset = offset

    def take(self, name: str, datatype: str, shape: Shape, size: object) -> Array:
        """The next tensor: read-only, and not copied where it lies as the machine computes with it."""
        dtype, count = TYPES[datatype], math.prod(shape)
        if size != count * dtype.itemsize or not is_size(size):
            needed = f"{shown(shape)} of {datatype} takes {count * dtype.itemsize} bytes"
            raise InvalidRequest(f"input {name} has a binary_data_size that is not that of its shape: {needed}")
        left = len(self._body) - self._offset
        if size > left:
            raise MalformedBody(f"input {name} needs {size} bytes after the JSON; there are {left}")
        values: Array = np.frombuffer(self._body, dtype, count, self._offset)
        self._offset += size
        return (values if values.flags.aligned else values.copy()).reshape(shape)

    def end(self) -> None:
        """All of them must have been taken."""
        left = len(self._body) - self._offset
        if left:
            raise MalformedBody(f"{left} bytes follow the JSON that no input claims with binary_data_size")


def read(entry: Named, tensor: Tensor, rest: Rest) -> Array:
    """The tensor that an entry of `inputs` describes.

    Raises:
        MalformedBody: bytes are missing.
        InvalidRequest: a value does not fit the protocol or the signature.
    """
    name = tensor.name
    datatype, shape = _datatype(entry.get("datatype"), tensor), _shape(entry.get("shape"), tensor)
    parameters = scalars(entry.get("parameters"), f"the parameters of input {name}")
    size, data = without(parameters, ELSEWHERE, f"input {name}").get("binary_data_size"), entry.get("data")
    if size is not None and data is not None:
        raise InvalidRequest(f"input {name} gives both data and binary_data_size; give one")
    if size is not None:
        return rest.take(name, datatype, shape, size)
    if isinstance(data, Numbers):
        table = None if datatype == "INT64" else data.table(shape)
        return _table(name, data.values(), datatype, shape) if table is None else table
    return _table(name, data, datatype, shape)


def raw(body: bytes, signature: Signature) -> dict[str, Array]:
    """The only input, whose bytes are the whole body; as many rows as there are.

    Raises:
        MalformedBody: the bytes are no such tensor.
    """
    (tensor,) = signature.inputs
    dtype = TYPES[tensor.datatypes[0]]
    row = math.prod(size for size in tensor.shape if size != ANY) * dtype.itemsize
    rows, left = divmod(len(body), row)
    if left or (rows != 1 and ANY not in tensor.shape):
        takes = f"{tensor.datatypes[0]} {shown(tensor.shape)}"
        raise MalformedBody(f"a raw body of {len(body)} bytes is no input {tensor.name}: {takes}")
    values: Array = np.frombuffer(body, dtype)
    return {tensor.name: values.reshape(tensor.shape)}


def _datatype(given: object, tensor: Tensor) -> str:
    if isinstance(given, str) and given in tensor.datatypes:
        return given
    came = given if isinstance(given, str) and given in PROTOCOL else "of no datatype of the protocol"
    raise InvalidRequest(f"input {tensor.name} is {came}; this model takes {' or '.join(tensor.datatypes)}")


def _shape(given: object, tensor: Tensor) -> Shape:
    name, expected = tensor.name, tensor.shape
    if not isinstance(given, list) or not all(map(is_size, given)):
        raise InvalidRequest(f"input {name} has no shape; expected a list of whole numbers from 0")
    if len(given) != len(expected) or any(want not in {ANY, size} for want, size in zip(expected, given, strict=True)):
        raise InvalidRequest(f"input {name} has shape {shown(given)}; this model takes {shown(expected)}")
    return tuple(given)


def _table(name: str, data: object, datatype: str, shape: Shape) -> Array:
    if not isinstance(data, list):
        raise InvalidRequest(f"input {name} has neither data, a list of numbers, nor binary_data_size")
    values = _nested(name, data, shape) if data and isinstance(data[0], list) else data
    if len(values) != math.prod(shape):
        needed = f"its shape {shown(shape)} needs {math.prod(shape)}"
        raise InvalidRequest(f"input {name} has {len(values)} values in data; {needed}")
    return (_whole(name, values) if datatype == "INT64" else _real(name, values)).reshape(shape)


def _nested(name: str, data: object, shape: Shape) -> list[object]:
    if not isinstance(data, list) or len(data) != shape[0]:
        raise InvalidRequest(f"input {name} has data that is not nested as its shape {shown(shape)} says")
    if len(shape) == 1:
        return data
    return [value for part in data for value in _nested(name, part, shape[1:])]


def _real(name: str, values: list[object]) -> Array:
    if not set(map(type, values)) <= NUMBERS:
        raise InvalidRequest(f"input {name} has a value in data that is neither a number nor null")
    # Of null, a value that is missing, NumPy makes NaN.
    return np.array(values, dtype=np.float64)


def _whole(name: str, values: list[object]) -> Array:
    if any(type(value) is not int or value not in INT64 for value in values):
        raise InvalidRequest(f"input {name} has a value in data that is no whole number of 64 bits")
    return np.array(values, dtype=np.int64)
