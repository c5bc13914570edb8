"""Arrow messages made by hand: messages that no normal writer produces are errors and need little memory."""

import re
import struct
import tracemalloc
from collections.abc import Sequence

import flatbuffers
import numpy as np
import pyarrow as pa
import pytest

from diffeo.service.codecs.arrow import Arrow
from diffeo.service.codecs.parsing import arrow_ipc
from diffeo.service.errors import InvalidRequest, MalformedBody, RequestError, TooLarge

MAX_ROWS = 10_000


def read(body: bytes, max_rows: int = MAX_ROWS) -> arrow_ipc.ArrowTable:
    return arrow_ipc.read(body, max_rows)


def message(
    kind: int, header: int, builder: flatbuffers.Builder, data: bytes = b"", claims: tuple[int, int] | None = None
) -> bytes:
    version, size = (4, len(data)) if claims is None else claims
    builder.StartObject(5)
    builder.PrependInt64Slot(3, size, 0)
    builder.PrependUOffsetTRelativeSlot(2, header, 0)
    builder.PrependUint8Slot(1, kind, 0)
    builder.PrependInt16Slot(0, version, 0)
    builder.Finish(builder.EndObject())
    content = bytes(builder.Output())
    content += bytes(-len(content) % 8)
    return b"\xff\xff\xff\xff" + struct.pack("<i", len(content)) + content + data


def schema_of(  # noqa: PLR0913  (each names one property of a schema)
    names: Sequence[bytes], *, big: bool = False, metadata: int = 0, slots: int = 7, shared: bool = False, pad: int = 0
) -> bytes:
    """A schema of float64 columns; equal names, and all types and metadata, are the same bytes.

    Args:
        names: the names of the columns.
        big: whether the numbers are big-endian.
        metadata: entries of each field.
        slots: fields of the layout of a field.
        shared: whether all fields are the same bytes.
        pad: further bytes in the header.
    """
    builder = flatbuffers.Builder()
    builder.CreateByteVector(bytes(pad))
    strings = {name: builder.CreateByteVector(name) for name in set(names)}
    builder.StartObject(1)
    builder.PrependInt16Slot(0, 2, 0)
    float64 = builder.EndObject()
    builder.StartObject(2)
    for slot in range(2 if metadata else 0):
        builder.PrependUOffsetTRelativeSlot(slot, strings[names[0]], 0)
    pair = builder.EndObject()
    entries = vector(builder, [pair] * metadata)
    fields: list[int] = []
    for name in names:
        if shared and fields:
            fields.append(fields[0])
            continue
        builder.StartObject(slots)
        builder.PrependUint8Slot(slots - 1, int(slots > 7), 0)
        builder.PrependUOffsetTRelativeSlot(6, entries, 0)
        builder.PrependUOffsetTRelativeSlot(3, float64, 0)
        builder.PrependUint8Slot(2, 3, 0)
        builder.PrependUOffsetTRelativeSlot(0, strings[name], 0)
        fields.append(builder.EndObject())
    found = vector(builder, fields)
    builder.StartObject(4)
    builder.PrependUOffsetTRelativeSlot(1, found, 0)
    builder.PrependInt16Slot(0, int(big), 0)
    return message(1, builder.EndObject(), builder)


def vector(builder: flatbuffers.Builder, tables: list[int]) -> int:
    builder.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        builder.PrependUOffsetTRelative(table)
    end: int = builder.EndVector()
    return end


def structs(builder: flatbuffers.Builder, pairs: list[tuple[int, int]]) -> int:
    builder.StartVector(16, len(pairs), 8)
    for first, second in reversed(pairs):
        builder.PrependInt64(second)
        builder.PrependInt64(first)
    end: int = builder.EndVector()
    return end


def int64s(builder: flatbuffers.Builder, numbers: Sequence[int]) -> int:
    builder.StartVector(8, len(numbers), 8)
    for number in reversed(numbers):
        builder.PrependInt64(number)
    end: int = builder.EndVector()
    return end


def batch_of(  # noqa: PLR0913, PLR0917  (the parts of a batch)
    rows: int,
    nodes: list[tuple[int, int]],
    buffers: list[tuple[int, int]],
    data: bytes,
    claims: tuple[int, int] | None = None,
    further: Sequence[int] = (),
) -> bytes:
    builder = flatbuffers.Builder()
    found, places, counts = structs(builder, nodes), structs(builder, buffers), int64s(builder, further)
    builder.StartObject(5)
    builder.PrependUOffsetTRelativeSlot(4, counts, 0)
    builder.PrependUOffsetTRelativeSlot(2, places, 0)
    builder.PrependUOffsetTRelativeSlot(1, found, 0)
    builder.PrependInt64Slot(0, rows, 0)
    return message(3, builder.EndObject(), builder, data, claims)


@pytest.mark.parametrize("big", [False, True])
def test_a_stream_is_read_in_either_byte_order(*, big: bool) -> None:
    data = np.array([1, 2.5], ">f8" if big else "<f8").tobytes()
    body = schema_of([b"a"], big=big) + batch_of(2, [(2, 0)], [(0, 0), (0, 16)], data)
    np.testing.assert_array_equal(read(body).rows, [[1], [2.5]])
    np.testing.assert_array_equal(pa.ipc.open_stream(body).read_all()["a"].to_numpy(), [1, 2.5])


BATCH = "does not have the nodes and buffers of its columns"
BUFFER = "a buffer of the Arrow stream is shorter than its column, or is outside its message"
NUMBERS = schema_of([b"a"])
HANDMADE = {
    "a bitmap too short": (batch_of(9, [(9, 1)], [(0, 1), (8, 72)], bytes(80)), BUFFER),
    "no nodes": (batch_of(1, [], [(0, 0), (0, 8)], bytes(8)), BATCH),
    "two nodes": (batch_of(1, [(1, 0)] * 2, [(0, 0), (0, 8)], bytes(8)), BATCH),
    "one buffer": (batch_of(1, [(1, 0)], [(0, 8)], bytes(8)), BATCH),
    "three buffers": (batch_of(1, [(1, 0)], [(0, 0), (0, 8), (0, 8)], bytes(8)), BATCH),
    "fewer rows than none": (batch_of(-1, [(-1, 0)], [(0, 0), (0, 0)], b""), BATCH),
    "rows that no buffer holds": (batch_of(2**62, [(2**62, 0)], [(0, 0), (0, 0)], b""), "more values than it holds"),
    "data that is not there": (batch_of(1, [(1, 0)], [(0, 0), (0, 8)], bytes(8))[:-1], "older than V4, empty or cut"),
    "less data than none": (message(3, 0, flatbuffers.Builder(), claims=(4, -8)), "older than V4, empty or cut off"),
    "no record batch": (message(3, 0, flatbuffers.Builder()), "older than V4, empty or cut off"),
    "version 3": (batch_of(1, [(1, 0)], [(0, 0), (0, 8)], bytes(8), claims=(2, 8)), "older than V4, empty or cut off"),
}


@pytest.mark.parametrize(("following", "words"), HANDMADE.values(), ids=HANDMADE.keys())
def test_a_record_batch_that_does_not_fit_its_schema_is_malformed(following: bytes, words: str) -> None:
    with pytest.raises(MalformedBody, match=re.escape(words)):
        read(NUMBERS + following)


def test_buffers_that_share_bytes_are_malformed() -> None:
    data = bytes(8 * 2**12)
    names = [b"%d" % index for index in range(4096)]
    nodes, buffers = [(2**12, 0)] * 4096, [(0, 0), (0, 8 * 2**12)] * 4096
    with pytest.raises(MalformedBody, match="claims more values than it holds"):
        read(schema_of(names) + batch_of(2**12, nodes, buffers, data))


def test_a_stream_of_too_many_messages_is_malformed() -> None:
    # Each message costs time, but no memory: 30 MB of empty ones would take seconds.
    empty = batch_of(0, [(0, 0)], [(0, 0), (0, 0)], b"")
    assert read(NUMBERS + empty * (arrow_ipc.MAX_MESSAGES - 1)).rows.shape == (0, 1)
    with pytest.raises(MalformedBody, match="more than 10000 messages; send larger record batches"):
        read(NUMBERS + empty * arrow_ipc.MAX_MESSAGES)


def test_a_batch_without_rows_needs_no_buffers() -> None:
    body = NUMBERS + batch_of(0, [(0, 0)], [(2**40, 0), (2**40, 0)], b"")
    assert read(body).rows.shape == (0, 1)


NAMES = {
    "a name of a kilobyte": (schema_of([b"a" * 1024]), "longer than 512 bytes"),
    "too many columns": (schema_of([b"%d" % index for index in range(4097)]), "has 4097 columns"),
    "no column": (schema_of([]), "has 0 columns"),
    "one more metadata than is looked at": (schema_of([b"a"], metadata=65), "does not hold plain numbers"),
}


@pytest.mark.parametrize(("body", "words"), NAMES.values(), ids=NAMES.keys())
def test_a_schema_that_no_model_can_have_is_an_invalid_request(body: bytes, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        read(body)


def test_a_repeated_name_is_read_because_the_model_may_not_take_that_column() -> None:
    assert read(schema_of([b"a", b"b", b"a"])).names == ("a", "b", "a")


def test_a_name_that_is_not_utf8_is_malformed() -> None:
    with pytest.raises(MalformedBody, match="column 1 is not UTF-8"):
        read(schema_of([b"\xe9"]))


SHARED_PARTS = {
    "one long name for all columns": schema_of([b"a" * 2**20] * 4096),
    "one long text for the metadata of all columns": schema_of([b"a" * 500] * 4096, metadata=10_000),
    "one layout of many fields for all columns": schema_of([b"a", b"b" * 600], slots=30_000),
}


@pytest.mark.parametrize("body", SHARED_PARTS.values(), ids=SHARED_PARTS.keys())
def test_parts_that_many_columns_share_are_not_copied_for_each_column(body: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(RequestError):
        read(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


def with_claims(nodes: int, buffers: int) -> bytes:
    """A record batch without rows and with fewer nodes and buffers than its vectors claim."""
    honest = batch_of(0, [(7, 7)], [(8, 8)] * 2, b"")
    for count, claimed, first in ((1, nodes, 7), (2, buffers, 8)):
        old = struct.pack("<Iq", count, first)
        assert honest.count(old) == 1
        honest = honest.replace(old, struct.pack("<Iq", claimed, first))
    return honest


WIDE = schema_of([b"%d" % index for index in range(4096)])
UNPAID = {
    "columns that share one field": schema_of([b"a"] * 4096, shared=True),
    "columns that share metadata": schema_of([b"a"] * 64, metadata=64),
    "a column less than its field needs": schema_of([b"a"] * 100, shared=True, pad=32 * 100 - 600),
    "empty batches of many columns": WIDE + with_claims(4096, 8192) * 400,
    "an empty batch with many buffers": NUMBERS + with_claims(1, 8192),
}


@pytest.mark.parametrize("body", UNPAID.values(), ids=UNPAID.keys())
def test_parts_that_a_header_has_no_bytes_for_are_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBody, match=r"claims parts of [0-9]+ bytes; its header has [0-9]+"):
        read(body)


def test_columns_may_share_a_field_whose_bytes_the_header_has() -> None:
    assert len(read(schema_of([b"a"] * 100, shared=True, metadata=2, pad=(32 + 2 * 16) * 100)).names) == 100


VIEWS: bytes = pa.schema([("a", pa.float64()), ("b", pa.string_view())]).serialize().to_pybytes()


def with_views(further: int) -> bytes:
    data = np.array([1.5]).tobytes() + bytes(16)
    places = [(0, 0), (0, 8), (0, 0), (8, 16), *[(0, 0)] * further]
    return VIEWS + batch_of(1, [(1, 0)] * 2, places, data, further=[further])


def test_a_text_view_may_have_65535_further_buffers() -> None:
    assert read(with_views(arrow_ipc.MAX_FURTHER_BUFFERS)).rows.tolist() == [[1.5]]
    with pytest.raises(MalformedBody, match="more than 65535 buffers"):
        read(with_views(arrow_ipc.MAX_FURTHER_BUFFERS + 1))


def kept_by_struct(count: int) -> int:
    """Bytes that stay allocated after a batch with so many further buffers is read."""
    body = with_views(count)
    tracemalloc.start()
    read(body)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return kept


def test_a_batch_of_many_buffers_leaves_no_memory_behind() -> None:
    kept_by_struct(1)
    assert max(kept_by_struct(count) for count in (30_000, 30_001, 30_002)) < 2**14


def test_the_rows_of_all_batches_are_counted_before_one_is_read() -> None:
    batch = batch_of(2, [(2, 0)], [(0, 0), (0, 16)], bytes(16))
    assert read(NUMBERS + batch * 3, max_rows=6).rows.shape == (6, 1)
    with pytest.raises(TooLarge, match="has 8 rows; the limit is 6"):
        read(NUMBERS + batch * 4, max_rows=6)


@pytest.mark.parametrize("batches", [1, 2, 7])
@pytest.mark.parametrize("narrow", [pa.int8(), pa.int16(), pa.float32()], ids=str)
def test_the_table_takes_at_most_what_the_format_promises(narrow: pa.DataType, batches: int) -> None:
    # One float64 column makes all columns wide.
    columns = [pa.array(np.ones(2000), narrow)] * 256
    one = pa.record_batch([*columns, pa.array(np.ones(2000))], names=[*map(str, range(256)), "wide"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, one.schema) as writer:
        for _ in range(batches):
            writer.write_batch(one)
    body = sink.getvalue().to_pybytes()
    tracemalloc.start()
    table = read(body, max_rows=20_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert table.rows.shape == (2000 * batches, 257)
    assert peak <= Arrow.decode_multiple * len(body)
