"""Reads a long JSON list of numbers, or of rows of numbers, in pieces of which each holds the interpreter for a few ms.

A piece is read only after it is proved to hold whole rows: without its numbers and white space, it must be a fixed
pattern of brackets and commas. So no text becomes more than one array of numbers, and no native call gets a list that
is longer than a piece. A text that is not such a list is read up to its first wrong value.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import simdjson

from ...errors import MalformedBody
from .strict_json import NUMBER_BYTES, PARSE_ERRORS, WRONG_CELL, reason

PIECE_BYTES: Final = 2**17
# Longer than any row of numbers for the largest model.
MAX_ROW_BYTES: Final = 2**19

NULL: Final = b"null"
TABLE_NUMBER_BYTES: Final = NUMBER_BYTES + b"\n"
NOT_WHOLE: Final = "the list holds something else than whole numbers of 64 bits"
NOT_A_ROW: Final = "this row is not a list of one or more numbers"
SPACE: Final = re.compile(rb"[ \t\r\n]*+")
ROW_SKELETON: Final = re.compile(rb"\[,*+\]")
LIST_END: Final = re.compile(rb"\][ \t\r\n]*+\]")
PLAIN_ROW: Final = re.compile(rb'\[[^\[\]{}"]*+\]')
NUMBER_OR_NULL: Final = rb"(?:null|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?)"
PLAIN_CELLS: Final = re.compile(rb"(?:[ \t\r\n]*+" + NUMBER_OR_NULL + rb"[ \t\r\n]*+,)*+[ \t\r\n]*+")
# The first bytes of JSON values that are not lists, and of those that are not numbers.
NOT_LISTS: Final = frozenset(b'"{-0123456789tfn')
NOT_NUMBERS: Final = frozenset(b'"{[tf')

Number = np.float64 | np.int64
Numbers = npt.NDArray[Number]
NumberType = Literal["d", "i"]
DTYPES: Final[dict[NumberType, type[Number]]] = {"d": np.float64, "i": np.int64}


class WrongList(Exception):
    """The list is JSON up to here, but no table of numbers.

    Attributes:
        pointer: JSON pointer to the wrong row or value, from the list.
        detail: one sentence about it.
    """

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.pointer = pointer
        self.detail = detail


class TooManyValues(Exception):
    """The list has more rows, or more values, than its reader may return."""


@dataclass(frozen=True, slots=True)
class LongList:
    """A list that was read.

    Attributes:
        values: its numbers in one sequence, NaN for null.
        width: the numbers of each row; None for a list of numbers, and 0 for an empty list.
        begin: position of its opening bracket.
        end: position of the first byte after the list.
    """

    values: Numbers
    width: int | None
    begin: int
    end: int

    @property
    def floats(self) -> npt.NDArray[np.float64]:
        """The numbers as float64."""
        return self.values.astype(np.float64, copy=False)

    @property
    def integers(self) -> npt.NDArray[np.int64]:
        """The numbers as int64."""
        return self.values.astype(np.int64, copy=False)


def read_list(body: bytes, begin: int, max_rows: int, number_type: NumberType = "d") -> LongList:
    """Read the list whose opening bracket is at `begin`.

    Args:
        body: the JSON that holds the list.
        begin: position of the opening bracket.
        max_rows: the most rows to read; of a list of numbers, the most numbers.
        number_type: "d" reads float64; "i" reads int64 and takes whole numbers only.

    Raises:
        MalformedBody: the list is not JSON, or a number in it does not fit into 64 bits.
        WrongList: a row or a value is not what a table of numbers holds.
        TooManyValues: there are more than `max_rows`.
    """
    at = skip_space(body, begin + 1)
    following = body[at : at + 1]
    if following == b"]":
        return LongList(np.empty(0, DTYPES[number_type]), 0, begin, at + 1)
    values = _Values(number_type, (len(body) - at) // 2 + 1)
    if following == b"[":
        width, end = _read_rows(body, at, max_rows, values)
    else:
        width, end = None, _read_numbers(body, at, max_rows, values)
    return LongList(values.all(), width, begin, end)


def skip_space(body: bytes, at: int) -> int:
    """The position of the first byte from `at` that is no white space."""
    while (found := SPACE.match(body, at, at + PIECE_BYTES)) is not None and found.end() > at:
        at = found.end()
    return at


def _piece_end(body: bytes, separator: bytes, at: int) -> int:
    # The last separator within a piece; if it holds none, the first after it; else -1.
    end = body.rfind(separator, at, at + PIECE_BYTES)
    return end if end >= 0 else body.find(separator, at + PIECE_BYTES, at + MAX_ROW_BYTES)


def _skeleton(piece: bytes) -> tuple[bytes, bool]:
    # The piece without its numbers, nulls and white space, and whether it has nulls. The skeleton is short, so the
    # search in it takes less time.
    skeleton = piece.translate(None, TABLE_NUMBER_BYTES)
    if NULL not in skeleton:
        return skeleton, False
    return piece.replace(NULL, b"").translate(None, TABLE_NUMBER_BYTES), True


def malformed(at: int) -> MalformedBody:
    """The error for a byte that no JSON value has at this position."""
    return MalformedBody(f"the body is not JSON: a value, a comma or a bracket is missing or wrong at byte {at}")


class _Values:
    # Memory that is not written to is not used, so from the second piece on the longest possible sequence is reserved.

    def __init__(self, number_type: NumberType, most: int) -> None:
        self.count = 0
        self.number_type: Final[NumberType] = number_type
        self._most = most
        self._values: Numbers = np.empty(0, DTYPES[number_type])
        self._parser = simdjson.Parser()

    def add(self, text: bytes, count: int, *, has_null: bool) -> bool:
        """Add the `count` numbers in a text of proved brackets; False if it does not hold as many numbers."""
        try:
            document = self._parser.parse(text)
            if not isinstance(document, simdjson.Array):
                return False
            if has_null:
                if self.number_type == "i":
                    return False
                found: Numbers = np.array(document.as_list(), dtype=np.float64).reshape(-1)
            else:
                found = np.frombuffer(document.as_buffer(of_type=self.number_type), DTYPES[self.number_type])
        except (*PARSE_ERRORS, TypeError):
            return False
        if len(found) != count:
            return False
        if not self.count:
            self._values = found
        else:
            if len(self._values) < self._most:
                first, self._values = self._values, np.empty(self._most, found.dtype)
                self._values[: self.count] = first
            self._values[self.count : self.count + count] = found
        self.count += count
        return True

    def all(self) -> Numbers:
        """The numbers; memory behind them is given back."""
        if len(self._values) > self.count:
            self._values.resize(self.count, refcheck=False)
        return self._values


def _read_rows(body: bytes, at: int, max_rows: int, values: _Values) -> tuple[int, int]:
    # The width of the rows, and the position of the first byte after the list.
    reader = _RowReader(values)
    rows = 0
    while True:
        end = _piece_end(body, b"]", at) + 1
        if not end:
            raise _first_wrong_row(body, at, rows, reader.width)
        if (before := body.rfind(b"]", at, end - 1) + 1) and not body[before : end - 1].strip():
            # Two brackets with nothing between them: the list ends here, unless it did before.
            end = before
        count = reader.add(body[at:end])
        if not count and (last := LIST_END.search(body, at, end)) is not None:
            end = last.start() + 1
            count = reader.add(body[at:end])
        if not count:
            raise (
                _first_wrong_row(body, at, rows, reader.width)
                if values.number_type == "d"
                else WrongList("", NOT_WHOLE)
            )
        rows += count
        if rows > max_rows:
            raise TooManyValues
        at = skip_space(body, end)
        if body[at : at + 1] == b"]":
            return reader.width, at + 1
        if body[at : at + 1] != b",":
            raise malformed(at)
        at = skip_space(body, at + 1)


class _RowReader:
    # Adds pieces that hold whole rows of the same width as the first.

    def __init__(self, values: _Values) -> None:
        self.width = 0
        self._values = values
        self._row = b""
        self._pattern = b""

    def add(self, piece: bytes) -> int:
        """The number of rows in the piece; 0 if it is not rows of the same width, with commas between them."""
        skeleton, has_null = _skeleton(piece)
        if not self.width and not self._begin(skeleton):
            return 0
        if len(skeleton) > len(self._pattern):
            self._pattern = self._row * (len(skeleton) // len(self._row) + 1)
        count, left = divmod(len(skeleton) + 1, len(self._row))
        if left or not self._pattern.startswith(skeleton):
            return 0
        return count if self._values.add(b"[%b]" % piece, count * self.width, has_null=has_null) else 0

    def _begin(self, skeleton: bytes) -> bool:
        first = ROW_SKELETON.match(skeleton)
        if first is None:
            return False
        self.width = first[0].count(b",") + 1
        self._row = first[0] + b","
        return True


def _first_wrong_row(body: bytes, at: int, row: int, width: int) -> Exception:
    # The width is that of the rows before; if there are none, the first row decides.
    parser = simdjson.Parser()
    width = width if row else 0
    while (plain := PLAIN_ROW.match(body, at, at + MAX_ROW_BYTES)) is not None:
        error, found = _plain_row_error(parser, plain[0], row, width)
        if error is not None:
            return error
        width = found
        row += 1
        at = skip_space(body, plain.end())
        if body[at : at + 1] != b",":
            return malformed(at)
        at = skip_space(body, at + 1)
    following = body[at : at + 1]
    if following != b"[":
        return WrongList(f"/{row}", NOT_A_ROW) if following and following[0] in NOT_LISTS else malformed(at)
    return _wrong_value(body, at + 1, f"/{row}")


def _plain_row_error(parser: simdjson.Parser, text: bytes, row: int, width: int) -> tuple[Exception | None, int]:
    try:
        document = parser.parse(text)
    except PARSE_ERRORS as error:
        return MalformedBody(f"the body is not JSON: {reason(error)}"), 0
    numbers = document.as_list() if isinstance(document, simdjson.Array) else []
    if not numbers:
        return WrongList(f"/{row}", NOT_A_ROW), 0
    if width and len(numbers) != width:
        detail = f"this row has {len(numbers)} numbers; the rows before it have {width}"
        return WrongList(f"/{row}", detail), 0
    for column, value in enumerate(numbers):
        if value is not None and type(value) not in {int, float}:
            return WrongList(f"/{row}/{column}", WRONG_CELL), 0
    return None, len(numbers)


def _wrong_value(body: bytes, at: int, pointer: str) -> Exception:
    # Up to the first value that is not a number, the list is read as numbers.
    end = at
    while (cells := PLAIN_CELLS.match(body, end, min(end + PIECE_BYTES, at + MAX_ROW_BYTES))) and cells.end() > end:
        end = cells.end()
    following = body[end : end + 1]
    if following and following[0] in NOT_NUMBERS:
        return WrongList(f"{pointer}/{body.count(b',', at, end)}", WRONG_CELL)
    if body.find(b"]", at, at + MAX_ROW_BYTES) < 0 and len(body) - at > MAX_ROW_BYTES:
        return WrongList(pointer, f"this list takes more than {MAX_ROW_BYTES} bytes of text; send fewer numbers in it")
    return malformed(end)


def _read_numbers(body: bytes, at: int, most: int, values: _Values) -> int:
    # The position of the first byte after the list.
    while True:
        close = body.find(b"]", at, at + PIECE_BYTES)
        end = close if close >= 0 else _piece_end(body, b",", at)
        if close < 0 and end >= at + PIECE_BYTES:
            close = body.find(b"]", at + PIECE_BYTES, end)
            end = close if close >= 0 else end
        if end < 0:
            end = close = body.find(b"]", at + PIECE_BYTES, at + MAX_ROW_BYTES)
        piece = body[at:end] if end > at else b""
        skeleton, has_null = _skeleton(piece)
        count = len(skeleton) + 1
        if skeleton.strip(b",") or not values.add(b"[%b]" % piece, count, has_null=has_null):
            raise _wrong_number(body, at, values.count) if values.number_type == "d" else WrongList("", NOT_WHOLE)
        if values.count > most:
            raise TooManyValues
        if close >= 0:
            return close + 1
        at = end + 1


def _wrong_number(body: bytes, at: int, index: int) -> Exception:
    error = _wrong_value(body, at, "")
    if isinstance(error, WrongList) and error.pointer:
        return WrongList(f"/{index + int(error.pointer[1:])}", error.detail)
    return error
