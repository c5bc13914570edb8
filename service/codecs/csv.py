"""csv: a header line of column names, then numbers; an empty field is a value that is missing. UTF-8, no types."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from diffeo.bundle.manifest import MAX_COLUMNS

from ..answer import Answer, Tensor
from ..errors import InvalidRequest, MalformedBody
from ..query import read_query
from ..requests import Payload, Rows
from .codec import Outline
from .parsing.columns import schema
from .parsing.number_lines import NULL, lines
from .parsing.whole import outline_of, whole

if TYPE_CHECKING:
    from pyarrow.csv import InvalidRow

Names = tuple[str, ...]

BYTE_ORDER_MARK: Final = "\ufeff".encode()
# A name of the longest kind in every column, as many as a model can have.
MAX_HEADER: Final = MAX_COLUMNS * 520
HEADER: Final = re.compile(rb'(?:[^"\n]++|"[^"]*+")*+')
# Possessive, so that a long run of digits is walked once.
DIGITS: Final = r"[-+]?(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][-+]?[0-9]++)?"
NUMBER: Final = re.compile(rf"\s*+(?:{DIGITS}|[-+]?(?:nan|inf(?:inity)?))?\s*+", re.IGNORECASE)
SPACED: Final = rf"[ \t]*+{DIGITS}[ \t]*+"
NO_NUMBER: Final = re.compile(rf'[,\n](?!(?:(?:"")?|{SPACED}|"{SPACED}"[ \t]*+)(?:[,\r\n]|\Z))'.encode())
EMPTY_LINE: Final = re.compile(rb"\n(?=\r?\n)")
# Longer than any line of as many numbers as a model has columns.
BLOCK_BYTES: Final = 2**20
CHARACTERS: Final = b'0123456789+-.eE," \t\r\n'
# A name that begins or ends with a space may be read without it; one that is a number would be read as data.
NEEDS_QUOTES: Final = re.compile(rf'[,"\r\n\ufeff]|\A | \Z|\A{NUMBER.pattern}\Z', re.IGNORECASE)


class Csv:
    """text/csv."""

    name = "csv"
    media_type = "text/csv"
    single = False

    def decode(self, body: bytes, query: Mapping[str, str]) -> Payload:
        """Rows and the names of their columns from the body, parameters from the query string."""
        parameters = read_query(query)
        if not body:
            return Payload(parameters)
        header, end = _header(body)
        names = _names(header)
        return Payload(parameters, _rows(body[end:].rstrip(b"\r\n"), names, header.count("\n") + 2), None, names)

    def encode(self, answer: Answer) -> bytes:
        """A line a row; an empty field where a row has no answer."""
        return whole(self.stream(outline_of(answer)), answer)

    def stream(self, outline: Outline) -> "CsvStream":
        """The header, then line after line."""
        return CsvStream(tuple(outline.dtypes), tuple(schema(outline)))


@dataclass(frozen=True, slots=True)
class CsvStream:
    """Lines behind a header, with nothing after them."""

    tensors: Names
    columns: Names
    length: None = None

    def head(self) -> bytes:
        return (",".join(map(_quoted, self.columns)) + "\n").encode()

    def piece(self, tensors: Mapping[str, Tensor]) -> bytes:
        values = [(b"," if index else b"", tensors[name]) for index, name in enumerate(self.tensors)]
        # Most readers skip an empty line, and the rows behind it would be counted wrong.
        return lines(values, b"\n").replace(NULL, b"" if len(self.columns) > 1 else b'""')

    def tail(self) -> bytes:
        return b""


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""')) if NEEDS_QUOTES.search(name) else name


def _header(body: bytes) -> tuple[str, int]:
    begin = len(BYTE_ORDER_MARK) if body.startswith(BYTE_ORDER_MARK) else 0
    found = HEADER.match(body, begin)
    end = begin if found is None else found.end()
    if body[end : end + 1] not in {b"", b"\n"} or end - begin > MAX_HEADER:
        raise MalformedBody("line 1 is no header: a quote is left open, or a name is longer than any")
    try:
        return body[begin:end].decode(), end
    except UnicodeDecodeError:
        raise MalformedBody("line 1 is not UTF-8") from None


def _names(header: str) -> Names:
    if all(map(NUMBER.fullmatch, header.split(","))):
        raise InvalidRequest.at("", "line 1 holds no names; expected a header line that names the columns")
    if header.count(",") >= MAX_COLUMNS:
        raise InvalidRequest.at("", f"line 1 names {header.count(',') + 1} columns; a model has at most {MAX_COLUMNS}")
    try:
        names = next(csv.reader([header], strict=True, skipinitialspace=True))
    except csv.Error:
        raise MalformedBody(
            "line 1 is no header: something stands beside a quoted name, or a name is longer than any"
        ) from None
    if "" in names or len(set(names)) != len(names):
        raise InvalidRequest.at("", "line 1 repeats a name or leaves one empty; each column has its own")
    return tuple(names)


def _rows(text: bytes, names: Names, line: int) -> Rows:
    # The text begins with the line feed of the header, so that every field stands behind a comma or a line feed.
    if not text:
        return np.empty((0, len(names)), dtype=np.float64)
    if text.count(b"\r") != text.count(b"\r\n"):
        raise MalformedBody("a line ends with a carriage return alone; expected \\n or \\r\\n")
    # The parser takes nan and inf in many spellings; a text of these characters holds none of them.
    if text.translate(None, CHARACTERS):
        raise _fault(text, line)
    # To the parser an empty line is one empty field, which of several columns leaves the others out.
    if len(names) > 1 and (empty := EMPTY_LINE.search(text)):
        row = text.count(b"\n", 0, empty.start())
        raise InvalidRequest.at(f"/{row}", f"line {line + row} is empty; every line is one row")
    rows = _parsed(text, names, line)
    if np.isinf(rows).any():
        row, column = np.argwhere(np.isinf(rows))[0].tolist()
        raise _refused(row, column, line, "a number beyond float64")
    return rows


def _parsed(text: bytes, names: Names, line: int) -> Rows:
    import pyarrow as pa  # noqa: PLC0415  (a server that is never sent a table does not pay for it)
    from pyarrow import csv as arrow  # noqa: PLC0415  (as above)

    ragged: list[InvalidRow] = []

    def refuse(row: "InvalidRow") -> str:
        ragged.append(row)
        return "error"

    try:
        # read_csv would take over the signals of the process for as long as it runs; open_csv does not.
        table = arrow.open_csv(
            pa.BufferReader(pa.py_buffer(text).slice(1)),
            arrow.ReadOptions(column_names=names, use_threads=False, block_size=BLOCK_BYTES),
            arrow.ParseOptions(ignore_empty_lines=False, invalid_row_handler=refuse),
            arrow.ConvertOptions(column_types=dict.fromkeys(names, pa.float64()), null_values=[""]),
        ).read_all()
    except pa.ArrowInvalid:
        raise _ragged(ragged[0], line) if ragged else _fault(text, line) from None
    rows = np.empty((table.num_rows, len(names)), dtype=np.float64)
    for index, column in enumerate(table.columns):
        rows[:, index] = column.to_numpy()  # NaN for null
    return rows


def _ragged(row: "InvalidRow", line: int) -> InvalidRequest:
    index = row.number - 1
    detail = f"line {line + index} has {row.actual_columns} fields; the header names {row.expected_columns} columns"
    return InvalidRequest.at(f"/{index}", detail)


def _fault(text: bytes, line: int) -> InvalidRequest:
    """The first field that is no number, in words."""
    found = NO_NUMBER.search(text)
    if found is None:
        return InvalidRequest.at("", f"a line is longer than {BLOCK_BYTES} bytes")
    row = text.count(b"\n", 0, found.end()) - 1
    column = text.count(b",", text.rfind(b"\n", 0, found.end()), found.end())
    return _refused(row, column, line, "no number")


def _refused(row: int, column: int, line: int, what: str) -> InvalidRequest:
    detail = f"line {line + row}, column {column + 1}: {what}; expected a number, or nothing where a value is missing"
    return InvalidRequest.at(f"/{row}/{column}", detail)
