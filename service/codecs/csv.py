"""csv in UTF-8: a header line of column names, then rows of numbers; an empty cell is a missing value."""

import csv
import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from diffeo.bundle.manifest import MAX_COLUMNS

from ..answer import AnswerSchema, Tensor
from ..errors import InvalidRequest, MalformedBody
from ..requests import Rows
from .parsing.columns import column_dtypes
from .parsing.row_lines import NULL, Field, row_lines
from .table_codec import DecodedTable, StreamedTableCodec

if TYPE_CHECKING:
    from pyarrow.csv import InvalidRow

Names = tuple[str, ...]

# As many names as a model can have columns, each of 128 characters in UTF-8 with quotes and a comma.
MAX_HEADER_BYTES: Final = MAX_COLUMNS * 520
HEADER: Final = re.compile(rb'(?:[^"\n]++|"[^"]*+")*+')
# Possessive, so that a long run of digits is matched in linear time.
DIGITS: Final = r"[-+]?(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][-+]?[0-9]++)?"
NUMBER: Final = re.compile(rf"\s*+(?:{DIGITS}|[-+]?(?:nan|inf(?:inity)?))?\s*+", re.IGNORECASE)
PADDED_NUMBER: Final = rf"[ \t]*+{DIGITS}[ \t]*+"
WRONG_CELL: Final = re.compile(rf'[,\n](?!(?:(?:"")?|{PADDED_NUMBER}|"{PADDED_NUMBER}"[ \t]*+)(?:[,\r\n]|\Z))'.encode())
EMPTY_LINE: Final = re.compile(rb"\n(?=\r?\n)")
# Longer than any line with as many numbers as a model can have columns.
BLOCK_BYTES: Final = 2**20
TABLE_BYTES: Final = b'0123456789+-.eE," \t\r\n'
# Some readers strip the spaces around a name, and take a name that is a number for data; quotes prevent both.
NEEDS_QUOTES: Final = re.compile(rf'[,"\r\n\ufeff]|\A | \Z|\A{NUMBER.pattern}\Z', re.IGNORECASE)


class Csv(StreamedTableCodec):
    """The format text/csv."""

    name = "csv"
    media_type = "text/csv"
    single_array = False

    def decode_table(self, body: bytes) -> DecodedTable:
        """The rows and the names of their columns."""
        header, end = _read_header(body)
        names = _column_names(header)
        rows = _read_rows(body[end:].rstrip(b"\r\n"), names, header.count("\n") + 2)
        return DecodedTable(rows, None, names)

    def stream_encoder(self, schema: AnswerSchema) -> "CsvStreamEncoder":
        """Writes the header line, then one line a row; the cells of a row without a result are empty."""
        return CsvStreamEncoder(tuple(schema.dtypes), tuple(column_dtypes(schema)))


@dataclass(frozen=True, slots=True)
class CsvStreamEncoder:
    """Writes the header line, then the rows; there is no footer."""

    tensor_names: Names
    columns: Names
    content_length: None = None

    def header(self) -> bytes:
        return (",".join(map(_quoted, self.columns)) + "\n").encode()

    def block(self, tensors: Mapping[str, Tensor]) -> bytes:
        fields = [Field(b"," if index else b"", tensors[name]) for index, name in enumerate(self.tensor_names)]
        # Most readers skip an empty line and would then count the rows wrong.
        return row_lines(fields, b"\n").replace(NULL, b"" if len(self.columns) > 1 else b'""')

    def footer(self) -> bytes:
        return b""


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""')) if NEEDS_QUOTES.search(name) else name


def _read_header(body: bytes) -> tuple[str, int]:
    """The header line without the byte order mark, and the position of the line feed after it."""
    begin = len(BOM_UTF8) if body.startswith(BOM_UTF8) else 0
    found = HEADER.match(body, begin)
    end = begin if found is None else found.end()
    if body[end : end + 1] not in {b"", b"\n"} or end - begin > MAX_HEADER_BYTES:
        raise MalformedBody("line 1 is not a csv header: a quote is not closed, or a name is too long")
    try:
        return body[begin:end].decode(), end
    except UnicodeDecodeError:
        raise MalformedBody("line 1 is not UTF-8; send csv in UTF-8") from None


def _column_names(header: str) -> Names:
    if all(map(NUMBER.fullmatch, header.split(","))):
        raise InvalidRequest.at("", "line 1 has no names; send a header line that names the columns")
    if header.count(",") >= MAX_COLUMNS:
        raise InvalidRequest.at("", f"line 1 names {header.count(',') + 1} columns; a model has at most {MAX_COLUMNS}")
    try:
        names = next(csv.reader([header], strict=True, skipinitialspace=True))
    except csv.Error:
        raise MalformedBody("line 1 is not a csv header: text follows a quoted name, or a name is too long") from None
    if "" in names or len(set(names)) != len(names):
        raise InvalidRequest.at("", "line 1 has an empty or repeated name; give each column its own name")
    return tuple(names)


def _read_rows(text: bytes, names: Names, first_line: int) -> Rows:
    # The text begins with the line feed of the header, so every cell comes after a comma or a line feed.
    if not text:
        return np.empty((0, len(names)), dtype=np.float64)
    if text.count(b"\r") != text.count(b"\r\n"):
        raise MalformedBody("a line ends with a carriage return only; end lines with \\n or \\r\\n")
    # pyarrow accepts several spellings of nan and inf; text of these bytes contains none of them.
    if text.translate(None, TABLE_BYTES):
        raise _first_wrong_cell(text, first_line)
    # pyarrow reads an empty line as one empty cell, and reports the other columns as missing.
    if len(names) > 1 and (empty := EMPTY_LINE.search(text)):
        row = text.count(b"\n", 0, empty.start())
        raise InvalidRequest.at(f"/{row}", f"line {first_line + row} is empty; every line must be one row")
    rows = _parse_rows(text, names, first_line)
    if np.isinf(rows).any():
        row, column = np.argwhere(np.isinf(rows))[0].tolist()
        raise _wrong_cell(row, column, first_line, "the number is out of the range of float64")
    return rows


def _parse_rows(text: bytes, names: Names, first_line: int) -> Rows:
    import pyarrow as pa  # noqa: PLC0415  (slow to import, and only csv and Arrow requests need it)
    from pyarrow import csv as arrow_csv  # noqa: PLC0415  (as above)

    ragged_rows: list[InvalidRow] = []

    def on_ragged_row(row: "InvalidRow") -> str:
        ragged_rows.append(row)
        return "error"

    try:
        # open_csv, because read_csv replaces the signal handlers of the process while it runs.
        table = arrow_csv.open_csv(
            pa.BufferReader(pa.py_buffer(text).slice(1)),
            arrow_csv.ReadOptions(column_names=names, use_threads=False, block_size=BLOCK_BYTES),
            arrow_csv.ParseOptions(ignore_empty_lines=False, invalid_row_handler=on_ragged_row),
            arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.float64()), null_values=[""]),
        ).read_all()
    except pa.ArrowInvalid:
        error = _wrong_cell_count(ragged_rows[0], first_line) if ragged_rows else _first_wrong_cell(text, first_line)
        raise error from None
    rows = np.empty((table.num_rows, len(names)), dtype=np.float64)
    for index, column in enumerate(table.columns):
        rows[:, index] = column.to_numpy()  # NaN for null
    return rows


def _wrong_cell_count(row: "InvalidRow", first_line: int) -> InvalidRequest:
    index = row.number - 1
    detail = f"line {first_line + index} has {row.actual_columns} cells; the header has {row.expected_columns} names"
    return InvalidRequest.at(f"/{index}", detail)


def _first_wrong_cell(text: bytes, first_line: int) -> InvalidRequest:
    """The error for the first cell that is not a number."""
    found = WRONG_CELL.search(text)
    if found is None:
        return InvalidRequest.at("", f"a line is longer than {BLOCK_BYTES} bytes; send shorter lines")
    row = text.count(b"\n", 0, found.end()) - 1
    column = text.count(b",", text.rfind(b"\n", 0, found.end()), found.end())
    return _wrong_cell(row, column, first_line, "the cell is not a number")


def _wrong_cell(row: int, column: int, first_line: int, fact: str) -> InvalidRequest:
    detail = (
        f"line {first_line + row}, column {column + 1}: {fact}; send a number, or an empty cell for a missing value"
    )
    return InvalidRequest.at(f"/{row}/{column}", detail)
