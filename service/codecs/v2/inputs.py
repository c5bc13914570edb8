"""Reads one input of a v2 request, from JSON numbers or from the bytes after the JSON, in the shape that it names."""

import math
from typing import Final

import numpy as np

from ...errors import InvalidRequest, MalformedBody
from .document import DataArray
from .fields import JsonObject, check_unsupported, format_shape, is_size, parse_parameters
from .long_data import LongData
from .signature import ANY_SIZE, DTYPES, Array, Signature, TensorSpec

# The parameters by which the protocol refers to a tensor in shared memory.
SHARED_MEMORY: Final = ("shared_memory_region", "shared_memory_byte_size", "shared_memory_offset")
PROTOCOL_DATATYPES: Final = frozenset(
    "BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 BF16 FP32 FP64 BYTES".split()
)
NUMBER_TYPES: Final = frozenset({int, float, type(None)})  # exact types: a bool is also an int
INT64: Final = range(-(2**63), 2**63)

Shape = tuple[int, ...]


class BinaryTail:
    """The bytes after the JSON; the inputs with a binary_data_size take them in their order.

    Args:
        body: the whole body.
        offset: position of the first byte after the JSON.
    """

    def __init__(self, body: bytes, offset: int) -> None:
        self._body = body
        self._offset = offset

    def take(self, name: str, datatype: str, shape: Shape, size: object) -> Array:
        """The tensor in the next `size` bytes, read-only; it is copied only if its bytes are not aligned."""
        dtype, count = DTYPES[datatype], math.prod(shape)
        if size != count * dtype.itemsize or not is_size(size):
            needed = f"{format_shape(shape)} of {datatype} takes {count * dtype.itemsize} bytes"
            raise InvalidRequest(f"input {name} has a binary_data_size that does not fit its shape: {needed}")
        left = len(self._body) - self._offset
        if size > left:
            raise MalformedBody(f"input {name} needs {size} bytes after the JSON, but {left} are left")
        values: Array = np.frombuffer(self._body, dtype, count, self._offset)
        self._offset += size
        return (values if values.flags.aligned else values.copy()).reshape(shape)

    def check_all_taken(self) -> None:
        """Raise MalformedBody if bytes are left."""
        left = len(self._body) - self._offset
        if left:
            raise MalformedBody(f"{left} bytes after the JSON belong to no input; set binary_data_size on each input")


def read_input(entry: JsonObject, spec: TensorSpec, tail: BinaryTail) -> Array:
    """The tensor that an entry of `inputs` describes.

    Raises:
        MalformedBody: bytes are missing.
        InvalidRequest: a value does not fit the protocol or the signature.
    """
    name = spec.name
    datatype, shape = _parse_datatype(entry.get("datatype"), spec), _parse_shape(entry.get("shape"), spec)
    parameters = parse_parameters(entry.get("parameters"), f"the parameters of input {name}")
    check_unsupported(parameters, SHARED_MEMORY, f"input {name}")
    size, data = parameters.get("binary_data_size"), entry.get("data")
    if size is not None and data is not None:
        raise InvalidRequest(f"input {name} has both data and binary_data_size; send only one of them")
    if size is not None:
        return tail.take(name, datatype, shape, size)
    if isinstance(data, LongData):
        return data.read(name, datatype, shape)
    if isinstance(data, DataArray):
        table = None if datatype == "INT64" else data.as_table(shape)
        return _parse_data(name, data.as_list(), datatype, shape) if table is None else table
    return _parse_data(name, data, datatype, shape)


def read_raw(body: bytes, signature: Signature) -> dict[str, Array]:
    """The only input of a raw request: the whole body is its bytes, with as many rows as there are.

    Raises:
        MalformedBody: the size of the body does not fit the input.
    """
    (spec,) = signature.inputs
    dtype = DTYPES[spec.datatypes[0]]
    row_bytes = math.prod(size for size in spec.shape if size != ANY_SIZE) * dtype.itemsize
    rows, left = divmod(len(body), row_bytes)
    if left or (rows != 1 and ANY_SIZE not in spec.shape):
        expected = f"{spec.datatypes[0]} {format_shape(spec.shape)}"
        raise MalformedBody(f"a raw body of {len(body)} bytes does not fit input {spec.name}: {expected}")
    values: Array = np.frombuffer(body, dtype)
    return {spec.name: values.reshape(spec.shape)}


def _parse_datatype(value: object, spec: TensorSpec) -> str:
    if isinstance(value, str) and value in spec.datatypes:
        return value
    # Only names of the protocol are repeated: an error sentence never contains other text of the client.
    given = value if isinstance(value, str) and value in PROTOCOL_DATATYPES else "none of the protocol"
    expected = " or ".join(spec.datatypes)
    raise InvalidRequest(f"input {spec.name} has a wrong datatype, {given}; this model takes {expected}")


def _parse_shape(value: object, spec: TensorSpec) -> Shape:
    name, expected = spec.name, spec.shape
    if not isinstance(value, list) or not all(map(is_size, value)):
        raise InvalidRequest(f"input {name} has no valid shape; send a list of whole numbers from 0")
    fits = len(value) == len(expected) and all(
        want in {ANY_SIZE, size} for want, size in zip(expected, value, strict=True)
    )
    if not fits:
        raise InvalidRequest(f"input {name} has shape {format_shape(value)}; this model takes {format_shape(expected)}")
    return tuple(value)


def _parse_data(name: str, data: object, datatype: str, shape: Shape) -> Array:
    if not isinstance(data, list):
        raise InvalidRequest(f"input {name} has no numbers; send data, a list of numbers, or binary_data_size")
    values = _flatten(name, data, shape) if data and isinstance(data[0], list) else data
    if len(values) != math.prod(shape):
        needed = f"its shape {format_shape(shape)} needs {math.prod(shape)}"
        raise InvalidRequest(f"input {name} has {len(values)} values in data; {needed}")
    return (_parse_integers(name, values) if datatype == "INT64" else _parse_floats(name, values)).reshape(shape)


def _flatten(name: str, data: object, shape: Shape) -> list[object]:
    if not isinstance(data, list) or len(data) != shape[0]:
        raise InvalidRequest(f"the data of input {name} is not nested as its shape {format_shape(shape)} requires")
    if len(shape) == 1:
        return data
    return [value for inner in data for value in _flatten(name, inner, shape[1:])]


def _parse_floats(name: str, values: list[object]) -> Array:
    if not set(map(type, values)) <= NUMBER_TYPES:
        raise InvalidRequest(f"input {name} has a value in data that is not a number; send numbers, or null")
    # NumPy converts null, a missing value, to NaN.
    return np.array(values, dtype=np.float64)


def _parse_integers(name: str, values: list[object]) -> Array:
    if any(type(value) is not int or value not in INT64 for value in values):
        raise InvalidRequest(f"input {name} has a value in data that is not a whole number of 64 bits")
    return np.array(values, dtype=np.int64)
