"""ndjson: one row a line, strict as JSON is: all lines lists of numbers, or all objects of x, or all of z."""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import simdjson

from ..answer import Answer, Tensor
from ..errors import InvalidRequest, MalformedBody
from ..query import read_query
from ..requests import Payload, Rows
from .codec import Outline
from .parsing.number_lines import NULL, lines
from .parsing.whole import outline_of, whole

Table = tuple[str | None, Rows]
Row = tuple[str | None, Sequence[object]]

ROWS: Final = ("x", "z")
NUMBERS: Final = frozenset({int, float, type(None)})  # a truth value is an int to Python, and not its type
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
# What numbers and the space around them are made of; the rest of a line is its skeleton.
NUMERIC: Final = b"0123456789+-.eE \t\r"
SKELETON: Final = re.compile(rb'(?:\[,*\]|\{"([xz])":\[,*\]\})\n')
WRAPPING: Final = b'{}":xz'
COMMA_FOR_NEWLINE: Final = bytes.maketrans(b"\n", b",")
EXPECTED: Final = 'expected a line like [0.3, -0.4] or {"x": [0.3, -0.4]}'


class Ndjson:
    """application/x-ndjson."""

    name = "ndjson"
    media_type = "application/x-ndjson"
    single = False

    def decode(self, body: bytes, query: Mapping[str, str]) -> Payload:
        """Rows from the lines, parameters from the query string."""
        parameters = read_query(query)
        if not body:
            return Payload(parameters)
        if body.startswith(BYTE_ORDER_MARK):
            raise MalformedBody("the body begins with a byte order mark; send UTF-8 without one")
        text = body if body.endswith(b"\n") else body + b"\n"
        name, rows = _read_at_once(text) or _read_line_by_line(text)
        return Payload(parameters, rows, name)

    def encode(self, answer: Answer) -> bytes:
        """One object a row; floats are the shortest text that reads back as the same float32."""
        return whole(self.stream(outline_of(answer)), answer)

    def stream(self, outline: Outline) -> "NdjsonStream":
        """Line after line."""
        return NdjsonStream(tuple(outline.dtypes))


@dataclass(frozen=True, slots=True)
class NdjsonStream:
    """Lines need nothing before them and nothing after."""

    names: tuple[str, ...]
    length: None = None

    def head(self) -> bytes:
        return b""

    def piece(self, tensors: Mapping[str, Tensor]) -> bytes:
        values: list[tuple[bytes, Tensor]] = []
        opening = b"{"
        for name in self.names:
            bracket, closing = (b"[", b"],") if tensors[name].ndim > 1 else (b"", b",")
            values.append((opening + f'"{name}":'.encode() + bracket, tensors[name]))
            opening = closing
        text = lines(values, opening.removesuffix(b",") + b"}\n")
        widths = {tensor.shape[1] for tensor in tensors.values() if tensor.ndim > 1}
        for width in widths:
            text = text.replace(b"[" + b",".join([NULL] * width) + b"]", NULL)
        return text

    def tail(self) -> bytes:
        return b""


def _read_at_once(body: bytes) -> Table | None:
    """The table, if it can be proved without reading line by line that the body is one."""
    # Every line has as many brackets and commas as the first, in the same places: what is left to the parser is that
    # one number or null stands between two commas, and nothing outside of the brackets.
    skeleton = body.replace(NULL, b"").translate(None, NUMERIC)
    first = SKELETON.match(skeleton)
    if first is None:
        return None
    line, count = first[0], len(skeleton) // len(first[0])
    if skeleton != line * count:
        return None
    wrapped = first[1] is not None
    # A space or a digit within the quotes is no part of the skeleton and would make another key.
    if wrapped and body.count(b'"%b"' % first[1]) != count:
        return None
    flat = _flat(b"[%b]" % body[:-1].translate(COMMA_FOR_NEWLINE, WRAPPING if wrapped else b""))
    width = line.count(b",") + 1
    # An empty row has no comma either.
    if flat is None or flat.size != count * width:
        return None
    return first[1].decode() if wrapped else None, flat.reshape(count, width)


def _flat(text: bytes) -> Rows | None:
    try:
        document = simdjson.Parser().parse(text)
        if not isinstance(document, simdjson.Array):
            return None
        if NULL in text:
            return np.array(document.as_list(), dtype=np.float64)
        return np.frombuffer(document.as_buffer(of_type="d"), dtype=np.float64)
    except (ValueError, RuntimeError):
        return None


def _read_line_by_line(body: bytes) -> Table:
    """The table, or the first line that is no row of it."""
    table: list[Sequence[object]] = []
    kind: str | None = None
    parser = simdjson.Parser()
    for index, line in enumerate(io.BytesIO(body)):
        name, row = _row(parser, line, index)
        if table and name != kind:
            detail = f"line {index + 1} is of another kind than the lines before it; {EXPECTED}"
            raise InvalidRequest.at(_pointer(name, index), detail)
        if table and len(row) != len(table[0]):
            detail = f"line {index + 1} has {len(row)} numbers, the lines before it {len(table[0])}"
            raise InvalidRequest.at(_pointer(name, index), detail)
        table.append(row)
        kind = name
    # A None becomes NaN.
    return kind, np.array(table, dtype=np.float64)


def _row(parser: simdjson.Parser, line: bytes, index: int) -> Row:
    value = _parsed(parser, line, index)
    if not isinstance(value, simdjson.Object):
        return None, _numbers(value, None, index)
    keys = list(value.keys())
    if len(set(keys)) != len(keys):
        raise MalformedBody(f"line {index + 1} repeats a key")
    if len(keys) != 1 or keys[0] not in ROWS:
        raise InvalidRequest.at(f"/{index}", f"line {index + 1} has other keys than x or z alone; {EXPECTED}")
    return keys[0], _numbers(value[keys[0]], keys[0], index)


def _parsed(parser: simdjson.Parser, line: bytes, index: int) -> object:
    if line.isspace():
        raise MalformedBody(f"line {index + 1} is empty; every line is one row")
    try:
        return parser.parse(line)
    # simdjson reports syntax as ValueError and numbers beyond 64 bits as RuntimeError, each as "CODE: sentence".
    except (ValueError, RuntimeError) as error:
        raise MalformedBody(f"line {index + 1} is not JSON: {str(error).rpartition(': ')[2].strip()}") from None


def _numbers(value: object, name: str | None, index: int) -> Sequence[object]:
    numbers: Sequence[object] = value.as_list() if isinstance(value, simdjson.Array) else []
    if not numbers:
        raise InvalidRequest.at(_pointer(name, index), f"line {index + 1} is not a row; {EXPECTED}")
    if not set(map(type, numbers)) <= NUMBERS:
        column = next(column for column, number in enumerate(numbers) if type(number) not in NUMBERS)
        detail = "expected a number, or null for a value that is missing"
        raise InvalidRequest.at(f"{_pointer(name, index)}/{column}", detail)
    return numbers


def _pointer(name: str | None, index: int) -> str:
    return f"/{index}" if name is None else f"/{name}/{index}"
