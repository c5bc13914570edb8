"""A tensor as the rules know it: its type, its shape with the batch axis, and its integers where they matter.

A size is an integer, or ROWS for the number of rows of the batch, which may be any number from one on.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from . import limits


class Rows(Enum):
    """The number of rows of a batch."""

    ROWS = "rows"

    def __repr__(self) -> str:
        """As it stands in an error."""
        return "rows"


ROWS: Final = Rows.ROWS
Size = int | Rows
Shape = tuple[Size, ...]

FLOAT32, UINT8, INT8, INT32, INT64, BOOL, FLOAT64 = 1, 2, 3, 6, 7, 9, 11
WIDTHS: Final = {FLOAT32: 4, UINT8: 1, INT8: 1, INT32: 4, INT64: 8, BOOL: 1, FLOAT64: 8}
TYPE_NAMES: Final = {
    FLOAT32: "float32", UINT8: "uint8", INT8: "int8", INT32: "int32", INT64: "int64", BOOL: "bool", FLOAT64: "float64",
}  # fmt: skip
FLOATS: Final = frozenset({FLOAT32, FLOAT64})
INTEGERS: Final = frozenset({UINT8, INT8, INT32, INT64})
RANGES: Final = {
    UINT8: (0, 255), INT8: (-128, 127), INT32: (-(2**31), 2**31 - 1), INT64: (-(2**63), 2**63 - 1), BOOL: (0, 1),
}  # fmt: skip


class Unprovable(Exception):
    """The rule of an operator cannot prove that rows stay apart; the text says why."""


@dataclass(frozen=True, slots=True)
class Value:
    """One tensor.

    Attributes:
        element: its type.
        shape: its sizes; ROWS marks the batch axis, and a constant has none.
        content: the integers of a vector or of one number, if they are known; ROWS among them is the number of rows.
        bounds: least and largest integer, if they are known.
    """

    element: int
    shape: Shape
    content: tuple[Size, ...] | None = None
    bounds: tuple[int, int] | None = None

    @property
    def axis(self) -> int | None:
        """The batch axis; None for a constant."""
        return self.shape.index(ROWS) if ROWS in self.shape else None

    @property
    def tells_rows(self) -> bool:
        """True if the numbers of the tensor depend on the number of rows."""
        # A list with bounds holds integers alone. It is not searched, because a hostile graph reads a long one often.
        return self.content is not None and self.bounds is None and ROWS in self.content

    @property
    def elements(self) -> int:
        """Number of elements: of one row, or of a constant."""
        return product(self.shape)

    @property
    def bytes(self) -> int:
        """Bytes of one row, or of a constant."""
        return self.elements * WIDTHS[self.element]

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def integers(self, meaning: str) -> tuple[int, ...]:
        """The content as integers that do not depend on the batch."""
        if self.content is None:
            raise Unprovable(f"{meaning} is not a constant list of integers")
        if any(size is ROWS for size in self.content):
            raise Unprovable(f"{meaning} depends on the number of rows")
        return tuple(size for size in self.content if isinstance(size, int))


def product(sizes: Sequence[Size]) -> int:
    """The product of the sizes, without the batch axis."""
    return math.prod(size for size in sizes if isinstance(size, int))


def make(element: int, sizes: Sequence[Size], bounds: tuple[int, int] | None = None) -> Value:
    """The tensor of an operator, within the limits of a shape.

    Raises:
        Unprovable: two batch axes, or a limit is exceeded.
    """
    shape = tuple(sizes)
    if shape.count(ROWS) > 1:
        raise Unprovable(f"its result {list(shape)} pairs the rows of the batch with each other")
    if len(shape) > limits.MAX_RANK:
        raise Unprovable(f"its result has {len(shape)} axes; at most {limits.MAX_RANK}")
    if any(isinstance(size, int) and not 0 <= size <= limits.MAX_SIZE for size in shape):
        raise Unprovable(f"its result has the shape {list(shape)}; expected sizes from 0 to {limits.MAX_SIZE}")
    if bounds is not None:
        # Floats have no bounds: NaN is in none. Integers outside of their type wrap around.
        low, high = RANGES.get(element, (0, -1))
        bounds = bounds if low <= bounds[0] and bounds[1] <= high else None
    value = Value(element, shape, None, bounds)
    if value.axis is not None and value.elements > limits.MAX_ROW_ELEMENTS:
        raise Unprovable(f"its result has {value.elements} elements a row; at most {limits.MAX_ROW_ELEMENTS}")
    return value


def known(element: int, content: Sequence[Size], *, scalar: bool = False) -> Value:
    """A vector of known integers, or one number; of a long vector only the bounds are kept.

    Raises:
        Unprovable: a long vector holds the number of rows.
    """
    numbers = [size for size in content if isinstance(size, int)]
    is_constant = len(numbers) == len(content)
    bounds = (min(numbers), max(numbers)) if numbers and is_constant else None
    if len(content) > limits.MAX_KNOWN_INTEGERS:
        if not is_constant:
            raise Unprovable(f"the number of rows is among more than {limits.MAX_KNOWN_INTEGERS} integers")
        return Value(element, (len(content),), None, bounds)
    return Value(element, () if scalar else (len(content),), tuple(content), bounds)


def broadcast(*shapes: Shape) -> Shape:
    """The shape of operands that are combined element by element.

    A batch axis may meet another batch axis or the size 1, but no other size: the operation would depend on the
    position of a row in its batch.

    Raises:
        Unprovable: the shapes do not fit for every number of rows.
    """
    rank = max(len(shape) for shape in shapes)
    result: list[Size] = []
    for index in range(rank):
        sizes = {shape[index - rank + len(shape)] for shape in shapes if index >= rank - len(shape)} - {1}
        if len(sizes) > 1:
            listed = " and ".join(str(list(shape)) for shape in shapes)
            raise Unprovable(f"the shapes {listed} do not fit each other for every number of rows")
        result.append(sizes.pop() if sizes else 1)
    return tuple(result)


def axis_of(number: int, rank: int) -> int:
    """An axis counted from the front.

    Raises:
        Unprovable: there is no such axis.
    """
    if not -rank <= number < rank:
        raise Unprovable(f"axis {number} of a tensor with {rank} axes")
    return number % rank
