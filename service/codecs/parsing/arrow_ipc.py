"""An Arrow IPC stream of number columns to one table; nothing is allocated that the body does not pay for.

pyarrow would read more, and unpacks a schema before it can be judged: names and metadata that many fields share cost
the square of their bytes, and a compressed buffer whatever it claims. Here shapes are judged first, every buffer lies
within its message, and buffers that share bytes are refused.

Reference: Arrow Columnar Format 1.5, IPC streaming format; Message.fbs, Schema.fbs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from diffeo.bundle.manifest import MAX_COLUMNS

from ...errors import InvalidRequest, MalformedBody
from ...requests import Rows
from .flatbuffers import FlatbufferInvalid, Table

Values = npt.NDArray[np.floating]  # [rows]

FLOAT32: Final[np.dtype[np.floating]] = np.dtype(np.float32)
FLOAT64: Final[np.dtype[np.floating]] = np.dtype(np.float64)
EXACT_INTEGER_BYTES: Final = 2  # the widest integers that float32 holds to the last digit

CONTINUATION: Final = b"\xff\xff\xff\xff"
END: Final = CONTINUATION + bytes(4)
PREFIX: Final = len(END)
FILE_MAGIC: Final = b"ARROW1"
VERSIONS: Final = (3, 4)  # V4 and V5, which differ in types that are not read here
SCHEMA, RECORD_BATCH = 1, 3
INTEGER, FLOAT = 2, 3
INTEGER_BITS: Final = (8, 16, 32, 64)
FLOAT_BYTES: Final = (2, 4, 8)  # by precision: half, single, double
EXTENSION: Final = b"ARROW:extension:name"
# A manifest's names have 128 characters, in UTF-8 at most four times as many bytes.
MAX_NAME_BYTES: Final = 512
MAX_METADATA: Final = 64


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a stream: its kind, the table that says what it holds, and the bytes it holds."""

    kind: int
    header: Table
    data: memoryview


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the schema."""

    name: str
    dtype: np.dtype[np.generic]


@dataclass(frozen=True, slots=True)
class _Parts:
    # One column of a record batch: (length, nulls), and (offset, length) of its two buffers.
    data: memoryview
    node: tuple[int, int]
    validity: tuple[int, int]
    values: tuple[int, int]

    def slice(self, buffer: tuple[int, int], needed: int) -> memoryview:
        offset, length = buffer
        if offset < 0 or not needed <= length <= len(self.data) - offset:
            raise MalformedBody("a buffer of the Arrow stream is shorter than its column, or leads out of its message")
        return self.data[offset : offset + needed]


def read(body: bytes) -> tuple[tuple[str, ...], Rows]:
    """The names of the columns and the rows [rows, D], NaN where a value is null.

    Rows are float64 where a column is, or holds integers that float32 does not; else float32.

    Raises:
        MalformedBody: not an Arrow IPC stream of plain buffers, or one whose parts do not fit each other.
        InvalidRequest: a column that is not of numbers, or a name that stands twice.
    """
    if body.startswith(FILE_MAGIC):
        raise MalformedBody("the body is an Arrow file; send the stream format, which has no index")
    try:
        messages = _messages(memoryview(body))
        columns = _columns(next(messages, None))
        dtype = _common(columns)
        tables = [_table(message, columns, dtype) for message in messages]
    except FlatbufferInvalid:
        raise MalformedBody("a message of the Arrow stream leads out of itself") from None
    rows = tables[0] if len(tables) == 1 else np.concatenate([np.empty((0, len(columns)), dtype), *tables])
    return tuple(column.name for column in columns), rows


def _messages(body: memoryview) -> Iterator[Message]:
    at = 0
    while at < len(body):
        begin = at + PREFIX
        prefix = bytes(body[at:begin])
        if prefix == END:
            break
        end = begin + int.from_bytes(prefix[len(CONTINUATION) :], "little", signed=True)
        if not prefix.startswith(CONTINUATION) or not begin < end <= len(body):
            raise MalformedBody(f"no message of an Arrow stream begins at byte {at}, or it is cut off")
        root = Table.root(body[begin:end])
        version, kind, header, size = root.number(0, "<h"), root.number(1, "<B"), root.table(2), root.number(3, "<q")
        if version not in VERSIONS or header is None or not 0 <= size <= len(body) - end:
            raise MalformedBody(f"the message at byte {at} of the Arrow stream is older than V4, empty or cut off")
        yield Message(kind, header, body[end : end + size])
        at = end + size
    if at + PREFIX < len(body):
        raise MalformedBody(f"the Arrow stream ends at byte {at + PREFIX} of {len(body)}; send one stream a body")


def _columns(message: Message | None) -> Sequence[Column]:
    if message is None or message.kind != SCHEMA:
        raise MalformedBody("the Arrow stream does not begin with a schema")
    count = message.header.count(1)
    if not 1 <= count <= MAX_COLUMNS:
        raise InvalidRequest.at("", f"the schema has {count} columns; expected 1 to {MAX_COLUMNS}")
    order = ">" if message.header.number(0, "<h") else "<"
    columns = [_column(field, order, index) for index, field in enumerate(message.header.tables(1))]
    if len({column.name for column in columns}) != count:
        raise InvalidRequest.at("", "the schema repeats the name of a column")
    return columns


def _column(field: Table, order: str, index: int) -> Column:
    dtype = _dtype(field, order)
    if dtype is None or field.table(4) is not None or _is_extension(field):
        detail = f"column {index + 1} is not of plain numbers; send floats, or integers of at most 64 bits"
        raise InvalidRequest.at("", detail)
    name = field.text(0, MAX_NAME_BYTES + 1)
    if len(name) > MAX_NAME_BYTES:
        raise InvalidRequest.at("", f"the name of column {index + 1} is longer than {MAX_NAME_BYTES} bytes")
    try:
        return Column(name.decode(), dtype)
    except UnicodeDecodeError:
        raise MalformedBody(f"the name of column {index + 1} is not UTF-8") from None


def _dtype(field: Table, order: str) -> np.dtype[np.generic] | None:
    kind, details = field.number(2, "<B"), field.table(3)
    if details is None:
        return None
    if kind == FLOAT and 0 <= (precision := details.number(0, "<h")) < len(FLOAT_BYTES):
        return np.dtype(f"{order}f{FLOAT_BYTES[precision]}")
    if kind == INTEGER and (bits := details.number(0, "<i")) in INTEGER_BITS:
        return np.dtype(f"{order}{'i' if details.number(1, '<B') else 'u'}{bits // 8}")
    return None


def _is_extension(field: Table) -> bool:
    # What an extension type means by its numbers is not known here. Nobody writes more metadata than is looked at.
    return field.count(6) > MAX_METADATA or any(
        entry.text(0, len(EXTENSION) + 1) == EXTENSION for entry in field.tables(6)
    )


def _common(columns: Sequence[Column]) -> np.dtype[np.floating]:
    dtypes = [column.dtype for column in columns]
    wide = any(dtype.itemsize > (FLOAT32.itemsize if dtype.kind == "f" else EXACT_INTEGER_BYTES) for dtype in dtypes)
    return FLOAT64 if wide else FLOAT32


def _table(message: Message, columns: Sequence[Column], dtype: np.dtype[np.floating]) -> Rows:
    header, width = message.header, len(columns)
    if message.kind != RECORD_BATCH:
        raise MalformedBody("the Arrow stream holds a message that is no record batch; send plain columns")
    if header.table(3) is not None:
        raise MalformedBody("the buffers of the Arrow stream are compressed; send them as they are")
    rows = header.number(0, "<q")
    if rows < 0 or header.count(1) != width or header.count(2) != 2 * width:
        raise MalformedBody("a record batch of the Arrow stream has not one node and two buffers a column")
    # Columns may point to the same bytes: a small body would become a large table.
    if rows * sum(column.dtype.itemsize for column in columns) > len(message.data):
        raise MalformedBody("a record batch of the Arrow stream claims more values than it holds")
    table = np.empty((rows, width), dtype)
    nodes, buffers = header.pairs(1), header.pairs(2)
    for index in range(width if rows else 0):
        validity, values = buffers[2 * index : 2 * index + 2]
        _fill(table[:, index], columns[index].dtype, _Parts(message.data, nodes[index], validity, values))
    return table


def _fill(target: Values, dtype: np.dtype[np.generic], parts: _Parts) -> None:
    rows, (length, nulls) = len(target), parts.node
    if length != rows:
        raise MalformedBody("a record batch of the Arrow stream has columns of different lengths")
    # A NaN that signals is no reason for a warning: it stays a NaN.
    with np.errstate(invalid="ignore"):
        target[:] = np.frombuffer(parts.slice(parts.values, rows * dtype.itemsize), dtype)
    # Some writers leave the bitmap out where nothing is null.
    if nulls or parts.validity[1]:
        bitmap = np.frombuffer(parts.slice(parts.validity, -(-rows // 8)), np.uint8)
        missing = np.unpackbits(bitmap, count=rows, bitorder="little") == 0
        if np.count_nonzero(missing) != nulls:
            raise MalformedBody("a column of the Arrow stream has more or fewer nulls than it says")
        target[missing] = np.nan
