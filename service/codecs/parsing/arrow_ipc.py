"""Reads an Arrow IPC stream of number columns into one table; memory stays proportional to the body.

pyarrow would read more types, but it unpacks a schema before its size can be checked: names and metadata that many
fields share cost the square of their bytes, and a compressed buffer costs the size that it claims. This reader checks
shapes first: a message claims no more parts than its bytes can hold, a buffer lies inside its own message, and no
buffers share bytes. So time and memory are proportional to the body.

Reference: Arrow Columnar Format 1.5, IPC streaming format; Message.fbs, Schema.fbs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import numpy as np
import numpy.typing as npt

from ...errors import MalformedBody, TooLarge
from ...requests import Rows
from .arrow_schema import Column, check_claim, common_dtype, read_columns
from .flatbuffers import FlatbufferInvalid, FlatbufferTable

Vector = npt.NDArray[np.floating]  # [rows]

WRONG_PARTS: Final = "a record batch of the Arrow stream does not have the nodes and buffers of its columns"
CONTINUATION: Final = b"\xff\xff\xff\xff"
END_OF_STREAM: Final = CONTINUATION + bytes(4)
PREFIX_BYTES: Final = len(END_OF_STREAM)
FILE_MAGIC: Final = b"ARROW1"
VERSIONS: Final = (3, 4)  # V4 and V5; they differ only in types that are not read here
SCHEMA, DICTIONARY_BATCH, RECORD_BATCH = 1, 2, 3
STRUCT_BYTES: Final = 16  # of a node or a buffer: two int64
# A buffer of text views that pyarrow writes holds at least 32 KiB.
MAX_FURTHER_BUFFERS: Final = 65_535
# Each message costs some twenty microseconds, however few rows it has.
MAX_MESSAGES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a stream: its kind, its header table, and its body."""

    kind: int
    header: FlatbufferTable
    body: memoryview


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
class RecordBatch:
    """A record batch whose header is checked.

    Attributes:
        message: its message.
        rows: the number of its rows; 0 if no column holds numbers.
    """

    message: Message
    rows: int


@dataclass(frozen=True, slots=True)
class _ColumnBuffers:
    # One column of a record batch: [length, nulls] of its node, and [offset, length] of each of its two buffers.
    body: memoryview
    node: list[int]
    validity: list[int]
    values: list[int]

    def read(self, buffer: list[int], needed: int) -> memoryview:
        offset, length = buffer
        if offset < 0 or not needed <= length <= len(self.body) - offset:
            raise MalformedBody("a buffer of the Arrow stream is shorter than its column, or is outside its message")
        return self.body[offset : offset + needed]


def read(body: bytes, max_rows: int) -> ArrowTable:
    """Read the columns of numbers, and the names of the other columns.

    The rows are float64 if a column is float64 or has integers that float32 cannot represent exactly; else float32.
    A value takes at least one byte of the body, so the table is at most eight times as large.

    Args:
        body: the stream.
        max_rows: the most rows to read.

    Raises:
        TooLarge: the stream has more rows than `max_rows`.
        MalformedBody: not an Arrow IPC stream of uncompressed buffers, or its parts contradict each other.
        InvalidRequest: a column has a type that cannot be skipped, or a name that is too long.
    """
    if body.startswith(FILE_MAGIC):
        raise MalformedBody("the body is in the Arrow file format; send the Arrow stream format")
    try:
        messages = _messages(memoryview(body))
        schema = next(messages, None)
        if schema is None or schema.kind != SCHEMA:
            raise MalformedBody("the Arrow stream does not begin with a schema")
        columns = read_columns(schema.header)
        # The dictionaries belong to columns that are skipped.
        batches = [_batch(message, columns) for message in messages if message.kind != DICTIONARY_BATCH]
        names = tuple(column.name for column in columns if column.dtype is not None)
        rows = _read_rows(batches, columns, len(names), max_rows)
    except FlatbufferInvalid:
        raise MalformedBody("a message of the Arrow stream has an offset outside the message") from None
    return ArrowTable(names, rows, tuple((column.name, column.holds) for column in columns if column.dtype is None))


def _read_rows(batches: Sequence[RecordBatch], columns: Sequence[Column], width: int, max_rows: int) -> Rows:
    count = sum(batch.rows for batch in batches)
    if count > max_rows:
        raise TooLarge.at(
            "", f"the Arrow stream has {count} rows; the limit is {max_rows}: send them in several requests"
        )
    # One table for all batches: tables of each batch, joined at the end, would take the memory twice.
    table = np.empty((count, width), common_dtype(columns))
    at = 0
    for batch in batches:
        if batch.rows:
            _fill_table(table[at : at + batch.rows], batch, columns)
            at += batch.rows
    return table


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


def _batch(message: Message, columns: Sequence[Column]) -> RecordBatch:
    # The facts in the header of a record batch. No value is read, so that all batches are checked before memory is
    # allocated for one.
    header = message.header
    if message.kind != RECORD_BATCH:
        raise MalformedBody("the Arrow stream has a message that is not a record batch; send columns of plain numbers")
    if header.table(3) is not None:
        raise MalformedBody("the buffers of the Arrow stream are compressed; send them without compression")
    nodes, buffers = header.count(1), header.count(2)
    check_claim(header, (nodes + buffers) * STRUCT_BYTES)
    rows = header.number(0, "<q")
    if rows < 0 or nodes != len(columns):
        raise MalformedBody(WRONG_PARTS)
    counts = _buffer_counts(header, columns)
    if buffers != sum(counts):
        raise MalformedBody(WRONG_PARTS)
    # Columns could share bytes: then a small body would become a large table.
    widths = [column.dtype.itemsize for column in columns if column.dtype is not None]
    if rows * sum(widths) > len(message.body):
        raise MalformedBody("a record batch of the Arrow stream claims more values than it holds")
    return RecordBatch(message, rows if widths else 0)


def _buffer_counts(header: FlatbufferTable, columns: Sequence[Column]) -> list[int]:
    views = sum(column.is_view for column in columns)
    if header.count(4) != views:
        raise MalformedBody("a record batch of the Arrow stream does not count the buffers of its text views")
    if not views:
        return [column.buffers for column in columns]
    numbers: list[int] = header.integers(4).tolist()
    if min(numbers) < 0 or max(numbers) > MAX_FURTHER_BUFFERS:
        raise MalformedBody(
            f"a text view of the Arrow stream has fewer than 0 or more than {MAX_FURTHER_BUFFERS} buffers"
        )
    further = iter(numbers)
    return [column.buffers + (next(further) if column.is_view else 0) for column in columns]


def _fill_table(table: Rows, batch: RecordBatch, columns: Sequence[Column]) -> None:
    header, body = batch.message.header, batch.message.body
    nodes, buffers = header.pairs(1), header.pairs(2)
    begins = accumulate(_buffer_counts(header, columns), initial=0)
    wanted = [
        (column.dtype, index, begin)
        for index, (column, begin) in enumerate(zip(columns, begins, strict=False))
        if column.dtype is not None
    ]
    for target, (dtype, index, begin) in zip(table.T, wanted, strict=True):
        node, validity, values = nodes[index].tolist(), buffers[begin].tolist(), buffers[begin + 1].tolist()
        _fill(target, dtype, _ColumnBuffers(body, node, validity, values))


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
