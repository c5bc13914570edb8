"""The `data` of an input in a long v2 request: its numbers, read in pieces, in the shape that the input names."""

import math
import re
from collections.abc import Collection
from typing import Final

from ...errors import InvalidRequest, MalformedBody, TooLarge
from ..parsing.long_list import LongList, TooManyValues, WrongList, read_list
from .fields import format_shape
from .signature import Array

NAME: Final = re.compile(rb'"name":"([^"\\]*+)"')


class LongDataReader:
    """Reads the data of each input where it stands.

    Args:
        text: the JSON.
        names: the names of the model's inputs, for error sentences.
        most: the most rows, or values, in the data of an input.
    """

    def __init__(self, text: bytes, names: Collection[str], most: int) -> None:
        self._text = text
        self._names = names
        self._most = most

    def __call__(self, _: str, begin: int, before: bytes) -> LongList:
        """Read one list; see `ReadList`."""
        try:
            return read_list(self._text, begin, self._most)
        except WrongList as error:
            detail = f"{self._owner(before)} has data that is no table of numbers: at {error.pointer}, {error.detail}"
            raise InvalidRequest(detail) from None
        except TooManyValues:
            detail = f"{self._owner(before)} has more rows in data than one request may have"
            raise TooLarge(f"{detail}: send the rows in several requests") from None

    def _owner(self, before: bytes) -> str:
        # The name, if it stands before the data in the same input.
        found = NAME.findall(before, before.rfind(b"{"))
        name = found[-1].decode(errors="replace") if found else ""
        return f"input {name}" if name in self._names else "an input"


class LongData:
    """The numbers of one input.

    Args:
        text: the JSON.
        found: its numbers as floats.
        most: the most rows, or values, in the data of an input.
    """

    def __init__(self, text: bytes, found: LongList, most: int) -> None:
        self._text = text
        self._found = found
        self._most = most

    def read(self, name: str, datatype: str, shape: tuple[int, ...]) -> Array:
        """The numbers in this shape.

        Raises:
            InvalidRequest: the data has another shape, or other numbers than the datatype.
        """
        found = self._found if datatype != "INT64" else self._whole_numbers(name)
        size, width = found.values.size, found.width
        if width and shape != (size // width, width):
            raise InvalidRequest(f"the data of input {name} is not nested as its shape {format_shape(shape)} requires")
        if size != math.prod(shape):
            needed = f"its shape {format_shape(shape)} needs {math.prod(shape)}"
            raise InvalidRequest(f"input {name} has {size} values in data; {needed}")
        return (found.integers if datatype == "INT64" else found.floats).reshape(shape)

    def _whole_numbers(self, name: str) -> LongList:
        try:
            return read_list(self._text, self._found.begin, self._most, "i")
        except (MalformedBody, WrongList):
            detail = f"input {name} has a value in data that is not a whole number of 64 bits"
            raise InvalidRequest(detail) from None
