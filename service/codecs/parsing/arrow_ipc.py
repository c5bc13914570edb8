"""Reads an Arrow IPC stream of number columns into one table; memory stays proportional to the body.

pyarrow would read more types, but it unpacks a schema before its size can be checked: names and metadata that many
fields share cost the square of their bytes, and a compressed buffer costs the size that it claims. This reader checks
shapes first, accepts a buffer only inside its own message, and rejects buffers that share bytes.

Reference: Arrow Columnar Format 1.5, IPC streaming format; Message.fbs, Schema.fbs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
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
SCHEMA, DICTIONARY_BATCH, RECORD_BATCH = 1, 2, 3
INTEGER, FLOAT = 2, 3
# Types of columns that a model does not take but that may stand beside those it takes, and how many buffers each has.
OTHER_TYPES: Final[Mapping[int, tuple[str, int]]] = {
    1: ("nothing but nulls", 0),
    INTEGER: ("integers of another size", 2),
    FLOAT: ("floats of another size", 2),
    4: ("bytes", 3),
    5: ("text", 3),
    6: ("booleans", 2),
    7: ("decimals", 2),
    8: ("dates", 2),
    9: ("times", 2),
    10: ("timestamps", 2),
    11: ("intervals", 2),
    15: ("bytes", 2),
    18: ("durations", 2),
    19: ("bytes", 3),
    20: ("text", 3),
    23: ("bytes", 2),
    24: ("text", 2),
}
# These have further buffers, which each record batch counts.
VIEWS: Final = frozenset({23, 24})
INTEGER_BITS: Final = (8, 16, 32, 64)
FLOAT_BYTES: Final = (2, 4, 8)  # by precision: half, single, double
EXTENSION_KEY: Final = b"ARROW:extension:name"
# A name in a manifest has up to 128 characters, each up to four bytes in UTF-8.
MAX_NAME_BYTES: Final = 512
MAX_METADATA: Final = 64
# Each message costs some twenty microseconds, however few rows it has.
MAX_MESSAGES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a stream: its kind, its header table, and its body."""

    kind: int
    header: FlatbufferTable
    body: memoryview


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the schema.

    Attributes:
        name: its name.
        dtype: the type of its numbers; None if it does not hold numbers and is skipped.
        holds: the type of a column that does not hold numbers, as a sentence names it.
        buffers: how many buffers it has in each record batch.
        is_view: whether each record batch counts further buffers of it.
    """

    name: str
    dtype: np.dtype[np.generic] | None
    holds: str = ""
    buffers: int = 2
    is_view: bool = False


@dataclass(frozen=True, slots=True)
class ArrowTable:
    """The table in a stream.

    Attributes:
        names: the names of the columns of numbers.
        rows: their values [rows, names], NaN for null.
        others: the name of each other column, and the type of its values.
    """

    names: tuple[str, ...]
    rows: Rows
    others: tuple[tuple[str, str], ...]


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


def read(body: bytes) -> ArrowTable:
    """Read the columns of numbers, and the names of the other columns.

    The rows are float64 if a column is float64 or has integers that float32 cannot represent exactly; else float32.

    Raises:
        MalformedBody: not an Arrow IPC stream of uncompressed buffers, or its parts contradict each other.
        InvalidRequest: a column has a type that cannot be skipped, or a name that is too long.
    """
    if body.startswith(FILE_MAGIC):
        raise MalformedBody("the body is in the Arrow file format; send the Arrow stream format")
    try:
        messages = _messages(memoryview(body))
        columns = _columns(next(messages, None))
        dtype = _common_dtype(columns)
        # The dictionaries belong to columns that are skipped.
        tables = [_table(message, columns, dtype) for message in messages if message.kind != DICTIONARY_BATCH]
    except FlatbufferInvalid:
        raise MalformedBody("a message of the Arrow stream has an offset outside the message") from None
    names = tuple(column.name for column in columns if column.dtype is not None)
    rows = tables[0] if len(tables) == 1 else np.concatenate([np.empty((0, len(names)), dtype), *tables])
    return ArrowTable(names, rows, tuple((column.name, column.holds) for column in columns if column.dtype is None))


def _messages(body: memoryview) -> Iterator[Message]:
    at = count = 0
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
        count += 1
        if count > MAX_MESSAGES:
            raise MalformedBody(f"the Arrow stream has more than {MAX_MESSAGES} messages; send larger record batches")
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
    return [_column(field, byte_order, index) for index, field in enumerate(message.header.tables(1))]


def _column(field: FlatbufferTable, byte_order: str, index: int) -> Column:
    dtype, kind = _column_dtype(field, byte_order), field.number(2, "<B")
    # A field with more metadata than any writer produces is rejected without reading it.
    if (dtype is None and kind not in OTHER_TYPES) or field.count(6) > MAX_METADATA:
        detail = f"column {index + 1} does not hold plain numbers; send floats or integers, or leave the column out"
        raise InvalidRequest.at("", detail)
    name = field.text(0, MAX_NAME_BYTES + 1)
    if len(name) > MAX_NAME_BYTES:
        raise InvalidRequest.at("", f"the name of column {index + 1} is longer than {MAX_NAME_BYTES} bytes")
    try:
        return _typed_column(field, name.decode(), dtype)
    except UnicodeDecodeError:
        raise MalformedBody(f"the name of column {index + 1} is not UTF-8") from None


def _typed_column(field: FlatbufferTable, name: str, dtype: np.dtype[np.generic] | None) -> Column:
    if field.table(4) is not None:
        return Column(name, None, "a dictionary")
    if _is_extension(field):
        kind = field.number(2, "<B")
        return Column(name, None, "values of an extension type", OTHER_TYPES[kind][1], kind in VIEWS)
    if dtype is not None:
        return Column(name, dtype)
    kind = field.number(2, "<B")
    holds, buffers = OTHER_TYPES[kind]
    return Column(name, None, holds, buffers, kind in VIEWS)


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
    # This reader does not know the meaning of the numbers of an extension type.
    return any(entry.text(0, len(EXTENSION_KEY) + 1) == EXTENSION_KEY for entry in field.tables(6))


def _common_dtype(columns: Sequence[Column]) -> np.dtype[np.floating]:
    dtypes = [column.dtype for column in columns if column.dtype is not None]
    wide = any(dtype.itemsize > (FLOAT32.itemsize if dtype.kind == "f" else EXACT_INTEGER_BYTES) for dtype in dtypes)
    return FLOAT64 if wide else FLOAT32


def _table(message: Message, columns: Sequence[Column], dtype: np.dtype[np.floating]) -> Rows:
    header = message.header
    if message.kind != RECORD_BATCH:
        raise MalformedBody("the Arrow stream has a message that is not a record batch; send columns of plain numbers")
    if header.table(3) is not None:
        raise MalformedBody("the buffers of the Arrow stream are compressed; send them without compression")
    rows = header.number(0, "<q")
    counts = _buffer_counts(header, columns)
    if rows < 0 or header.count(1) != len(columns) or header.count(2) != sum(counts):
        raise MalformedBody("a record batch of the Arrow stream does not have the nodes and buffers of its columns")
    # Columns could share bytes: then a small body would become a large table.
    widths = [column.dtype.itemsize for column in columns if column.dtype is not None]
    if rows * sum(widths) > len(message.body):
        raise MalformedBody("a record batch of the Arrow stream claims more values than it holds")
    table = np.empty((rows if widths else 0, len(widths)), dtype)
    if rows and widths:
        nodes, buffers, begins = header.pairs(1), header.pairs(2), accumulate(counts, initial=0)
        parts = [
            (column.dtype, _ColumnBuffers(message.body, node, buffers[begin], buffers[begin + 1]))
            for column, node, begin in zip(columns, nodes, begins, strict=False)
            if column.dtype is not None
        ]
        for target, (own_dtype, column_buffers) in zip(table.T, parts, strict=True):
            _fill(target, own_dtype, column_buffers)
    return table


def _buffer_counts(header: FlatbufferTable, columns: Sequence[Column]) -> list[int]:
    views = sum(column.is_view for column in columns)
    if header.count(4) != views:
        raise MalformedBody("a record batch of the Arrow stream does not count the buffers of its text views")
    further = iter(header.integers(4))
    counts = [column.buffers + (next(further) if column.is_view else 0) for column in columns]
    if min(counts) < 0 or max(counts) > header.count(2):
        raise MalformedBody("a record batch of the Arrow stream does not have the nodes and buffers of its columns")
    return counts


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
