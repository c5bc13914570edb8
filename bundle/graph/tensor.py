"""Reads a constant tensor of a graph: its type, shape and numbers, which must fit each other."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ..errors import GraphRefused
from . import limits, messages
from .messages import Message
from .value import BOOL, FLOAT32, FLOAT64, INT8, INT32, INT64, RANGES, TYPE_NAMES, UINT8, WIDTHS, Value, known

DIMS, ELEMENT, FLOAT_DATA, INT32_DATA, INT64_DATA, NAME, RAW, DOUBLE_DATA = 1, 2, 4, 5, 7, 8, 9, 10
EXTERNAL, LOCATION = 13, 14
FLOATS: Final[dict[int, np.dtype[np.floating]]] = {FLOAT32: np.dtype("<f4"), FLOAT64: np.dtype("<f8")}
# The field that lists the numbers of each type one by one.
LISTS: Final = {
    FLOAT32: FLOAT_DATA, FLOAT64: DOUBLE_DATA, INT64: INT64_DATA,
    INT32: INT32_DATA, INT8: INT32_DATA, UINT8: INT32_DATA, BOOL: INT32_DATA,
}  # fmt: skip
DTYPES: Final[dict[int, np.dtype[np.number]]] = {
    FLOAT32: np.dtype("<f4"), FLOAT64: np.dtype("<f8"), INT64: np.dtype("<i8"),
    INT32: np.dtype("<i4"), INT8: np.dtype("i1"), UINT8: np.dtype("u1"), BOOL: np.dtype("u1"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tensor:
    """A constant in the file.

    Attributes:
        name: its name, or "" in an attribute.
        value: its type, shape, and integers.
    """

    name: str
    value: Value


def read(file: str, content: memoryview) -> Tensor:
    """The tensor in the bytes of a TensorProto.

    Raises:
        GraphRefused: external data, another type, or numbers that do not fit the shape.
    """
    message = messages.read(file, content, messages.TENSOR)
    if message.has(EXTERNAL) or message.integer(LOCATION):
        raise GraphRefused(f"{file} keeps weights in another file; expected every weight inside the graph")
    name, element, shape = message.text(NAME), message.integer(ELEMENT), tuple(message.integers.get(DIMS, ()))
    said = f"{file}: the weight {ascii(name)[:64]}"
    if element not in WIDTHS:
        raise GraphRefused(f"{said} is of type {element}; expected one of {', '.join(TYPE_NAMES.values())}")
    _check_shape(said, shape)
    return Tensor(name, _value(element, shape, _numbers(said, message, element, math.prod(shape))))


def read_floats(file: str, content: memoryview) -> tuple[str, npt.NDArray[np.floating] | None]:
    """The name and the numbers of a TensorProto that `read` accepts; None for integers."""
    message = messages.read(file, content, messages.TENSOR)
    name, element, shape = message.text(NAME), message.integer(ELEMENT), tuple(message.integers.get(DIMS, ()))
    if element not in FLOATS:
        return name, None
    numbers = _numbers(f"{file}: the weight {ascii(name)[:64]}", message, element, math.prod(shape))
    return name, numbers.astype(DTYPES[element]).reshape(shape).view(FLOATS[element])


def _check_shape(said: str, shape: tuple[int, ...]) -> None:
    if len(shape) > limits.MAX_RANK:
        raise GraphRefused(f"{said} has {len(shape)} axes; at most {limits.MAX_RANK}")
    if any(not 0 <= size <= limits.MAX_SIZE for size in shape):
        raise GraphRefused(f"{said} has the shape {list(shape)}; expected sizes from 0 to {limits.MAX_SIZE}")


def _numbers(said: str, message: Message, element: int, count: int) -> npt.NDArray[np.number]:
    field, dtype = LISTS[element], DTYPES[element]
    lists = [number for number in (FLOAT_DATA, INT32_DATA, INT64_DATA, DOUBLE_DATA) if message.has(number)]
    if message.has(RAW):
        (raw,) = message.parts[RAW]
        if lists or len(raw) != count * dtype.itemsize:
            raise GraphRefused(f"{said} holds {len(raw)} bytes; its shape and type need {count * dtype.itemsize}")
        return _within(said, element, np.frombuffer(raw, dtype))
    if any(number != field for number in lists):
        raise GraphRefused(f"{said} lists numbers of another type than {TYPE_NAMES[element]}")
    numbers = message.floats.get(field, ()) or message.integers.get(field, ())
    if len(numbers) != count:
        raise GraphRefused(f"{said} lists {len(numbers)} numbers; its shape needs {count}")
    # The widest type holds every number that a list can hold, so none wraps before it is checked.
    widest = np.float64 if element in FLOATS else np.int64
    return _within(said, element, np.array(numbers, widest)).astype(dtype)


def _within(said: str, element: int, numbers: npt.NDArray[np.number]) -> npt.NDArray[np.number]:
    # The bytes of a bool hold 0 or 1. A runtime computes with the other numbers too.
    low, high = RANGES.get(element, (0, 0))
    if element in RANGES and len(numbers) and not low <= int(numbers.min()) <= int(numbers.max()) <= high:
        raise GraphRefused(f"{said} holds a number outside {TYPE_NAMES[element]}; expected {low} to {high}")
    return numbers


def _value(element: int, shape: tuple[int, ...], numbers: npt.NDArray[np.number]) -> Value:
    if element not in RANGES:
        return Value(element, shape)
    if len(shape) <= 1 and len(numbers) <= limits.MAX_KNOWN_INTEGERS and element != BOOL:
        return known(element, [int(number) for number in numbers.tolist()], scalar=not shape)
    bounds = (int(numbers.min()), int(numbers.max())) if len(numbers) else None
    return Value(element, shape, None, bounds)
