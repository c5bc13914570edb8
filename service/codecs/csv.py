"""csv in UTF-8: a header line of column names, then rows of numbers; an empty cell is a missing value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from diffeo.bundle.manifest import MAX_COLUMNS
from diffeo.errors import WrongTable
from diffeo.tables import cells, csv
from diffeo.tables.csv_readable import Size
from diffeo.tables.errors import MixedHeader, RaggedRow, TooManyCells, UnreadableTable, WrongCell

from .. import offload
from ..answer import AnswerSchema, Tensor
from ..errors import FieldError, InvalidRequest, MalformedBody, TooLarge
from ..requests import Limits, UnreadableColumn
from .parsing.columns import column_dtypes
from .parsing.number_text import row_blocks
from .parsing.row_lines import NULL, Field, row_lines
from .table_codec import DecodedTable, StreamedTableCodec

Names = tuple[str, ...]

# A missing cell takes one byte and becomes eight, so the largest body may hold fewer of them than bytes.
BYTES_PER_CELL: Final = 2
# A reader may strip white space around a name. Quotes keep it, and mark a name that looks like a number.
SPECIAL: Final = re.compile(r'[,"\r\n\ufeff]|\A\s|\s\Z|\Asep=', re.IGNORECASE)


class Csv(StreamedTableCodec):
    """The format text/csv; `diffeo.tables.csv_text` specifies the accepted text."""

    name = "csv"
    media_type = "text/csv"
    single_array = False
    decode_multiple = 7
    encode_multiple = 7
    inline_bytes = offload.DECODE_TABLE_BYTES

    def decode_table(self, body: bytes, limits: Limits) -> DecodedTable:
        """The rows and, if line 1 is a header, the names of their columns."""
        try:
            table = csv.read(body)
        except MixedHeader as error:
            raise InvalidRequest.at("", str(error)) from None
        except WrongTable as error:
            raise MalformedBody(str(error)) from None
        width, names = table.header.width, table.header.names
        if width > MAX_COLUMNS:
            raise InvalidRequest.at("", f"line 1 has {width} columns; a model has at most {MAX_COLUMNS}")
        try:
            readable = table.readable(Size(limits.max_rows, limits.max_body_bytes // BYTES_PER_CELL))
        except TooManyCells as error:
            raise TooLarge.at("", f"{error}: send the rows in several requests") from None
        except (RaggedRow, UnreadableTable, WrongCell) as error:
            raise InvalidRequest.at(_pointer(error), str(error)) from None
        if names is None:
            return DecodedTable(readable.rows)
        columns = tuple(names[position] for position in readable.positions)
        unreadable = [
            UnreadableColumn(names[error.column], FieldError(_pointer(error), str(error))) for error in readable.wrong
        ]
        return DecodedTable(readable.rows, None, columns, tuple(unreadable))

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
        return b"".join(map(self._lines, row_blocks(tensors)))

    def _lines(self, tensors: Mapping[str, Tensor]) -> bytes:
        fields = [Field(b"," if index else b"", tensors[name]) for index, name in enumerate(self.tensor_names)]
        # Most readers skip an empty line and would then count the rows wrong.
        return row_lines(fields, b"\n").replace(NULL, b"" if len(self.columns) > 1 else b'""')

    def footer(self) -> bytes:
        return b""


def _quoted(name: str) -> str:
    is_plain = SPECIAL.search(name) is None and cells.number(name) is None
    return name if is_plain else '"{}"'.format(name.replace('"', '""'))


def _pointer(error: RaggedRow | UnreadableTable | WrongCell) -> str:
    if error.row is None:
        return ""
    return f"/{error.row}/{error.column}" if isinstance(error, WrongCell) else f"/{error.row}"
