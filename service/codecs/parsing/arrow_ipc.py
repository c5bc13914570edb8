"""Reads an Arrow IPC stream of number columns into one table; memory stays proportional to the body.

pyarrow would read more types, but it unpacks a schema before its size can be checked: names and metadata that many
fields share cost the square of their bytes, and a compressed buffer costs the size that it claims. This reader checks
shapes first, accepts a buffer only inside its own message, and rejects buffers that share bytes.

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
from .flatbuffers import FlatbufferInvalid, FlatbufferTable

Vector = npt.NDArray[np.floating]  # [rows]

FLOAT32: Final[np.dtype[np.floating]] = np.dtype(np.float32)
FLOAT64: Final[np.dtype[np.floating]] = np.dtype(np.float64)
EXACT_INTEGER_BYTES: Final = 2  # the widest integers that float32 represents exactly

CONTINUATION: Final = b"\xff\xff\xff\xff"
END_OF_STREAM: Final = CONTINUATION + bytes(4)
PREFIX_BYTES: Final = len(END_OF_STREAM)
FILE_MAGIC: Final = b"ARROW1"
VERSIONS: Final = (3, 4)  # V4 and V5; they differ only in types that are not read here
SCHEMA, RECORD_BATCH = 1, 3
INTEGER, FLOAT = 2, 3
INTEGER_BITS: Final = (8, 16, 32, 64)
FLOAT_BYTES: Final = (2, 4, 8)  # by precision: half, single, double
EXTENSION_KEY: Final = b"ARROW:extension:name"
# A name in a manifest has up to 128 characters, each up to four bytes in UTF-8.
MAX_NAME_BYTES: Final = 512
MAX_METADATA: Final = 64


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a stream: its kind, its header table, and its body."""

    kind: int
    header: FlatbufferTable
    body: memoryview


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the schema."""

    name: str
    dtype: np.dtype[np.generic]


@dataclass(frozen=True, slots=True)
class _ColumnBuffers:
    # One column of a record batch: (length, nulls) of its node, and (offset, length) of each of its two buffers.
    body: memoryview
    node: tuple[int, int]
    validity: tuple[int, int]
    values: tuple[int, int]

    def read(self, buffer: tuple[int, int], needed: int) -> memoryview:
        offset, length = buffer
        if offset < 0 or not needed <= length <= len(self.body) - offset:
            raise MalformedBody("a buffer of the Arrow stream is shorter than its column, or is outside its message")
        return self.body[offset : offset + needed]


def read(body: bytes) -> tuple[tuple[str, ...], Rows]:
    """The names of the columns, and the rows [rows, D] with NaN for null.

    The rows are float64 if a column is float64 or has integers that float32 cannot represent exactly; else float32.

    Raises:
        MalformedBody: not an Arrow IPC stream of uncompressed buffers, or its parts contradict each other.
        InvalidRequest: a column does not hold numbers, or two columns have the same name.
    """
    if body.startswith(FILE_MAGIC):
        raise MalformedBody("the body is in the Arrow file format; send the Arrow stream format")
    try:
        messages = _messages(memoryview(body))
        columns = _columns(next(messages, None))
        dtype = _common_dtype(columns)
        tables = [_table(message, columns, dtype) for message in messages]
    except FlatbufferInvalid:
        raise MalformedBody("a message of the Arrow stream has an offset outside the message") from None
    rows = tables[0] if len(tables) == 1 else np.concatenate([np.empty((0, len(columns)), dtype), *tables])
    return tuple(column.name for column in columns), rows


def _messages(body: memoryview) -> Iterator[Message]:
    at = 0
    while at < len(body):
        begin = at + PREFIX_BYTES
        prefix = bytes(body[at:begin])
        if prefix == END_OF_STREAM:
            break
        end = begin + int.from_bytes(prefix[len(CONTINUATION) :], "little", signed=True)
        if not prefix.startswith(CONTINUATION) or not begin < end <= len(body):
            raise MalformedBody(f"the bytes at position {at} are not a complete Arrow message")
        root = FlatbufferTable.root(body[begin:end])
        version, kind, header, size = root.number(0, "<h"), root.number(1, "<B"), root.table(2), root.number(3, "<q")
        if version not in VERSIONS or header is None or not 0 <= size <= len(body) - end:
            raise MalformedBody(f"the Arrow message at byte {at} is older than V4, empty or cut off")
        yield Message(kind, header, body[end : end + size])
        at = end + size
    if at + PREFIX_BYTES < len(body):
        end = at + PREFIX_BYTES
        raise MalformedBody(f"the Arrow stream ends at byte {end} of {len(body)}; send one stream in each body")


def _columns(message: Message | None) -> Sequence[Column]:
    if message is None or message.kind != SCHEMA:
        raise MalformedBody("the Arrow stream does not begin with a schema")
    count = message.header.count(1)
    if not 1 <= count <= MAX_COLUMNS:
        raise InvalidRequest.at("", f"the Arrow schema has {count} columns; send 1 to {MAX_COLUMNS}")
    byte_order = ">" if message.header.number(0, "<h") else "<"
    columns = [_column(field, byte_order, index) for index, field in enumerate(message.header.tables(1))]
    if len({column.name for column in columns}) != count:
        raise InvalidRequest.at("", "the Arrow schema repeats a column name; give each column its own name")
    return columns


def _column(field: FlatbufferTable, byte_order: str, index: int) -> Column:
    dtype = _column_dtype(field, byte_order)
    if dtype is None or field.table(4) is not None or _is_extension(field):
        detail = f"column {index + 1} does not hold plain numbers; send floats, or integers of at most 64 bits"
        raise InvalidRequest.at("", detail)
    name = field.text(0, MAX_NAME_BYTES + 1)
    if len(name) > MAX_NAME_BYTES:
        raise InvalidRequest.at("", f"the name of column {index + 1} is longer than {MAX_NAME_BYTES} bytes")
    try:
        return Column(name.decode(), dtype)
    except UnicodeDecodeError:
        raise MalformedBody(f"the name of column {index + 1} is not UTF-8") from None


def _column_dtype(field: FlatbufferTable, byte_order: str) -> np.dtype[np.generic] | None:
    kind, details = field.number(2, "<B"), field.table(3)
    if details is None:
        return None
    if kind == FLOAT and 0 <= (precision := details.number(0, "<h")) < len(FLOAT_BYTES):
        return np.dtype(f"{byte_order}f{FLOAT_BYTES[precision]}")
    if kind == INTEGER and (bits := details.number(0, "<i")) in INTEGER_BITS:
        return np.dtype(f"{byte_order}{'i' if details.number(1, '<B') else 'u'}{bits // 8}")
    return None


def _is_extension(field: FlatbufferTable) -> bool:
    # The numbers of an extension type have a meaning that is not known here. A field with more metadata than any
    # writer produces is rejected in the same way, without reading it.
    return field.count(6) > MAX_METADATA or any(
        entry.text(0, len(EXTENSION_KEY) + 1) == EXTENSION_KEY for entry in field.tables(6)
    )


def _common_dtype(columns: Sequence[Column]) -> np.dtype[np.floating]:
    dtypes = [column.dtype for column in columns]
    wide = any(dtype.itemsize > (FLOAT32.itemsize if dtype.kind == "f" else EXACT_INTEGER_BYTES) for dtype in dtypes)
    return FLOAT64 if wide else FLOAT32


def _table(message: Message, columns: Sequence[Column], dtype: np.dtype[np.floating]) -> Rows:
    header, width = message.header, len(columns)
    if message.kind != RECORD_BATCH:
        raise MalformedBody("the Arrow stream has a message that is not a record batch; send columns of plain numbers")
    if header.table(3) is not None:
        raise MalformedBody("the buffers of the Arrow stream are compressed; send them without compression")
    rows = header.number(0, "<q")
    if rows < 0 or header.count(1) != width or header.count(2) != 2 * width:
        raise MalformedBody("a record batch of the Arrow stream does not have one node and two buffers for each column")
    # Columns could share bytes: then a small body would become a large table.
    if rows * sum(column.dtype.itemsize for column in columns) > len(message.body):
        raise MalformedBody("a record batch of the Arrow stream claims more values than it holds")
    table = np.empty((rows, width), dtype)
    nodes, buffers = header.pairs(1), header.pairs(2)
    for index in range(width if rows else 0):
        validity, values = buffers[2 * index : 2 * index + 2]
        column_buffers = _ColumnBuffers(message.body, nodes[index], validity, values)
        _fill(table[:, index], columns[index].dtype, column_buffers)
    return table


def _fill(target: Vector, dtype: np.dtype[np.generic], buffers: _ColumnBuffers) -> None:
    rows, (length, nulls) = len(target), buffers.node
    if length != rows:
        raise MalformedBody("a record batch of the Arrow stream has columns of different lengths")
    # The cast of a signalling NaN would warn; the result is a NaN all the same.
    with np.errstate(invalid="ignore"):
        target[:] = np.frombuffer(buffers.read(buffers.values, rows * dtype.itemsize), dtype)
    # Some writers leave out the bitmap of a column without nulls.
    if nulls or buffers.validity[1]:
        bitmap = np.frombuffer(buffers.read(buffers.validity, -(-rows // 8)), np.uint8)
        missing = np.unpackbits(bitmap, count=rows, bitorder="little") == 0
        if np.count_nonzero(missing) != nulls:
            raise MalformedBody("a column of the Arrow stream has another number of nulls than its header says")
        target[missing] = np.nan
