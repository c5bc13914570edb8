"""ndjson: one row a line, strict as JSON. All lines are lists of numbers, or all objects of x, or all objects of z."""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import simdjson

from .. import offload
from ..answer import AnswerSchema, Tensor
from ..errors import InvalidRequest, MalformedBody, TooLarge
from ..requests import ROWS_NAMES, Limits, Rows
from .parsing.long_list import MAX_ROW_BYTES, PIECE_BYTES
from .parsing.number_text import row_blocks
from .parsing.row_lines import NULL, Field, row_lines
from .parsing.strict_json import NUMBER_BYTES, WRONG_CELL, check_no_byte_order_mark, parse_value
from .table_codec import DecodedTable, StreamedTableCodec

NUMBER_TYPES: Final = frozenset({int, float, type(None)})  # exact types: a bool is also an int
# A line without its numbers and white space.
SKELETON: Final = re.compile(rb'(?:\[,*\]|\{"([xz])":\[,*\]\})\n')
OBJECT_BYTES: Final = b'{}":xz'
# The keys x and z, written as code points.
ESCAPED_KEY: Final = re.compile(rb'"\\u007([8aA])"')
KEYS: Final = {b"8": b'"x"', b"a": b'"z"', b"A": b'"z"'}
NEWLINE_TO_COMMA: Final = bytes.maketrans(b"\n", b",")
EXPECTED_LINE: Final = 'send lines like [0.3, -0.4] or {"x": [0.3, -0.4]}'


class Ndjson(StreamedTableCodec):
    """The format application/x-ndjson."""

    name = "ndjson"
    media_type = "application/x-ndjson"
    single_array = False
    decode_multiple = 5
    encode_multiple = 11
    inline_bytes = offload.DECODE_BYTES

    def decode_table(self, body: bytes, limits: Limits) -> DecodedTable:
        """The rows, and their name if the lines are objects."""
        check_no_byte_order_mark(body)
        tables = _TableParts(limits, len(body))
        at, first = 0, None
        while at < len(body):
            end = _end_of_lines(body, at, tables.rows)
            piece = body[at:end] if end else body[at:] + b"\n"
            part = _decode_at_once(piece) or _decode_line_by_line(piece, tables.rows, first)
            tables.add(part)
            first = first or part
            at = end or len(body)
        return tables.joined(first or DecodedTable(np.empty((0, 0))))

    def stream_encoder(self, schema: AnswerSchema) -> "NdjsonStreamEncoder":
        """Writes one object a line; null where a row has no result."""
        return NdjsonStreamEncoder(tuple(schema.dtypes))


@dataclass(frozen=True, slots=True)
class NdjsonStreamEncoder:
    """Writes the lines; there is no header and no footer."""

    names: tuple[str, ...]
    content_length: None = None

    def header(self) -> bytes:
        return b""

    def block(self, tensors: Mapping[str, Tensor]) -> bytes:
        return b"".join(map(self._lines, row_blocks(tensors)))

    def _lines(self, tensors: Mapping[str, Tensor]) -> bytes:
        fields: list[Field] = []
        before_key = b"{"
        for name in self.names:
            opening, closing = (b"[", b"],") if tensors[name].ndim > 1 else (b"", b",")
            fields.append(Field(before_key + f'"{name}":'.encode() + opening, tensors[name]))
            before_key = closing
        text = row_lines(fields, before_key.removesuffix(b",") + b"}\n")
        widths = {tensor.shape[1] for tensor in tensors.values() if tensor.ndim > 1}
        for width in widths:
            text = text.replace(b"[" + b",".join([NULL] * width) + b"]", NULL)
        return text

    def footer(self) -> bytes:
        return b""


class _TableParts:
    # The tables of the pieces of a body.

    # Memory that is not written to is not used, so from the second piece on, room for the longest table is reserved.

    def __init__(self, limits: Limits, body_bytes: int) -> None:
        self.rows = 0
        self.first: DecodedTable | None = None
        self._limits = limits
        self._values = np.empty(0)
        self._most_values = body_bytes // 2 + 1

    def add(self, part: DecodedTable) -> None:
        if self.first is None:
            self.first, self.rows = part, len(part.rows)
            return
        _check_same_kind(part, self.first, self.rows)
        if not self._values.size:
            self._values = np.empty(self._most_values)
            self._values[: self.first.rows.size] = self.first.rows.reshape(-1)
        at = self.rows * part.rows.shape[1]
        self._values[at : at + part.rows.size] = part.rows.reshape(-1)
        self.rows += len(part.rows)
        if self.rows > self._limits.max_rows:
            fact = f"the body has more than {self._limits.max_rows} lines, which is the limit"
            raise TooLarge.at("", f"{fact}: send the rows in several requests")

    def joined(self, first: DecodedTable) -> DecodedTable:
        """The whole table, which begins with `first`."""
        if not self._values.size:
            return first
        width = first.rows.shape[1]
        self._values.resize(self.rows * width, refcheck=False)
        return DecodedTable(self._values.reshape(-1, width), first.rows_name)


def _end_of_lines(body: bytes, at: int, line: int) -> int:
    # The position after the last line end of the next piece; 0 if the rest of the body is one piece without a line end.
    end = body.rfind(b"\n", at, at + PIECE_BYTES) + 1 or body.find(b"\n", at + PIECE_BYTES, at + MAX_ROW_BYTES) + 1
    if not end and len(body) - at > MAX_ROW_BYTES:
        detail = f"line {line + 1} is longer than {MAX_ROW_BYTES} bytes; {EXPECTED_LINE}"
        raise InvalidRequest.at(_pointer(None, line), detail)
    return end


def _check_same_kind(part: DecodedTable, first: DecodedTable, row: int) -> None:
    # The first line of a part follows the last line of the part before it.
    if part.rows_name != first.rows_name:
        detail = f"line {row + 1} is of another kind than the lines before it; {EXPECTED_LINE}"
        raise InvalidRequest.at(_pointer(part.rows_name, row), detail)
    width, before = part.rows.shape[1], first.rows.shape[1]
    if width != before:
        detail = f"line {row + 1} has {width} numbers; the lines before it have {before}"
        raise InvalidRequest.at(_pointer(part.rows_name, row), detail)


def _decode_at_once(body: bytes) -> DecodedTable | None:
    """The table, if the body can be proved to be one without reading it line by line."""
    # All lines have the same skeleton, so their brackets and commas are at the same positions. Then the parser only
    # checks that one number or null stands between two commas, and that nothing is outside the brackets.
    if b"\\" in body:
        # Such a key in another place leaves quotes or a backslash, so the skeletons differ.
        body = ESCAPED_KEY.sub(lambda key: KEYS[key[1]], body)
    skeleton = body.replace(NULL, b"").translate(None, NUMBER_BYTES)
    first = SKELETON.match(skeleton)
    if first is None:
        return None
    line, count = first[0], len(skeleton) // len(first[0])
    if skeleton != line * count:
        return None
    is_object = first[1] is not None
    # A space or a digit inside the quotes is not in the skeleton, but makes another key.
    if is_object and body.count(b'"%b"' % first[1]) != count:
        return None
    flat = _flat_numbers(b"[%b]" % body[:-1].translate(NEWLINE_TO_COMMA, OBJECT_BYTES if is_object else b""))
    width = line.count(b",") + 1
    # An empty row has no comma either.
    if flat is None or flat.size != count * width:
        return None
    return DecodedTable(flat.reshape(count, width), first[1].decode() if is_object else None)


def _flat_numbers(text: bytes) -> Rows | None:
    try:
        document = simdjson.Parser().parse(text)
        if not isinstance(document, simdjson.Array):
            return None
        if NULL in text:
            return np.array(document.as_list(), dtype=np.float64)
        return np.frombuffer(document.as_buffer(of_type="d"), dtype=np.float64)
    except (ValueError, RuntimeError):
        return None


def _decode_line_by_line(body: bytes, rows_before: int, first: DecodedTable | None) -> DecodedTable:
    """The table, or the error of the first line that is not a row of it."""
    table: list[Sequence[object]] = []
    rows_name, width = (None, 0) if first is None else (first.rows_name, first.rows.shape[1])
    parser = simdjson.Parser()
    for index, line in enumerate(io.BytesIO(body), start=rows_before):
        name, row = _decode_line(parser, line, index)
        if width and name != rows_name:
            detail = f"line {index + 1} is of another kind than the lines before it; {EXPECTED_LINE}"
            raise InvalidRequest.at(_pointer(name, index), detail)
        if width and len(row) != width:
            detail = f"line {index + 1} has {len(row)} numbers; the lines before it have {width}"
            raise InvalidRequest.at(_pointer(name, index), detail)
        table.append(row)
        rows_name, width = name, len(row)
    # NumPy converts None to NaN.
    return DecodedTable(np.array(table, dtype=np.float64), rows_name)


def _decode_line(parser: simdjson.Parser, line: bytes, index: int) -> tuple[str | None, Sequence[object]]:
    """The name of the row, None for a list, and its numbers."""
    if line.isspace():
        raise MalformedBody(f"line {index + 1} is empty; every line must be one row")
    value = parse_value(parser, line, f"line {index + 1}")
    if not isinstance(value, simdjson.Object):
        return None, _numbers(value, None, index)
    keys = list(value.keys())
    if len(set(keys)) != len(keys):
        raise MalformedBody(f"line {index + 1} repeats a key; send each key once")
    if len(keys) != 1 or keys[0] not in ROWS_NAMES:
        raise InvalidRequest.at(f"/{index}", f"line {index + 1} has other keys than one x or z; {EXPECTED_LINE}")
    return keys[0], _numbers(value[keys[0]], keys[0], index)


def _numbers(value: object, name: str | None, index: int) -> Sequence[object]:
    numbers: Sequence[object] = value.as_list() if isinstance(value, simdjson.Array) else []
    if not numbers:
        raise InvalidRequest.at(_pointer(name, index), f"line {index + 1} is not a row; {EXPECTED_LINE}")
    if not set(map(type, numbers)) <= NUMBER_TYPES:
        column = next(column for column, number in enumerate(numbers) if type(number) not in NUMBER_TYPES)
        raise InvalidRequest.at(f"{_pointer(name, index)}/{column}", WRONG_CELL)
    return numbers


def _pointer(name: str | None, index: int) -> str:
    return f"/{index}" if name is None else f"/{name}/{index}"
