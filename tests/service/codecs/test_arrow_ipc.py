"""Arrow messages made by hand: messages that no normal writer produces are errors and need little memory."""

import re
import struct
import tracemalloc
from collections.abc import Sequence

import flatbuffers
import numpy as np
import pyarrow as pa
import pytest

from diffeo.service.codecs.parsing import arrow_ipc
from diffeo.service.errors import InvalidRequest, MalformedBody


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


def schema_of(names: Sequence[bytes], *, big: bool = False, metadata: int = 0, slots: int = 7) -> bytes:
    """A schema of float64 columns; equal names, and all types and metadata, are the same bytes."""
    builder = flatbuffers.Builder()
    strings = {name: builder.CreateByteVector(name) for name in set(names)}
    builder.StartObject(1)
    builder.PrependInt16Slot(0, 2, 0)
    float64 = builder.EndObject()
    builder.StartObject(2)
    for slot in range(2 if metadata else 0):
        builder.PrependUOffsetTRelativeSlot(slot, strings[names[0]], 0)
    pair = builder.EndObject()
    shared = vector(builder, [pair] * metadata)
    fields = []
    for name in names:
        builder.StartObject(slots)
        builder.PrependUint8Slot(slots - 1, int(slots > 7), 0)
        builder.PrependUOffsetTRelativeSlot(6, shared, 0)
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


def batch_of(
    rows: int,
    nodes: list[tuple[int, int]],
    buffers: list[tuple[int, int]],
    data: bytes,
    claims: tuple[int, int] | None = None,
) -> bytes:
    builder = flatbuffers.Builder()
    found, places = structs(builder, nodes), structs(builder, buffers)
    builder.StartObject(5)
    builder.PrependUOffsetTRelativeSlot(2, places, 0)
    builder.PrependUOffsetTRelativeSlot(1, found, 0)
    builder.PrependInt64Slot(0, rows, 0)
    return message(3, builder.EndObject(), builder, data, claims)


@pytest.mark.parametrize("big", [False, True])
def test_a_stream_is_read_in_either_byte_order(*, big: bool) -> None:
    data = np.array([1, 2.5], ">f8" if big else "<f8").tobytes()
    body = schema_of([b"a"], big=big) + batch_of(2, [(2, 0)], [(0, 0), (0, 16)], data)
    np.testing.assert_array_equal(arrow_ipc.read(body).rows, [[1], [2.5]])
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
        arrow_ipc.read(NUMBERS + following)


def test_buffers_that_share_bytes_are_malformed() -> None:
    data = bytes(8 * 2**12)
    names = [b"%d" % index for index in range(4096)]
    nodes, buffers = [(2**12, 0)] * 4096, [(0, 0), (0, 8 * 2**12)] * 4096
    with pytest.raises(MalformedBody, match="claims more values than it holds"):
        arrow_ipc.read(schema_of(names) + batch_of(2**12, nodes, buffers, data))


def test_a_stream_of_too_many_messages_is_malformed() -> None:
    # Each message costs time, but no memory: 30 MB of empty ones would take seconds.
    empty = batch_of(0, [(0, 0)], [(0, 0), (0, 0)], b"")
    assert arrow_ipc.read(NUMBERS + empty * (arrow_ipc.MAX_MESSAGES - 1)).rows.shape == (0, 1)
    with pytest.raises(MalformedBody, match="more than 10000 messages; send larger record batches"):
        arrow_ipc.read(NUMBERS + empty * arrow_ipc.MAX_MESSAGES)


def test_a_batch_without_rows_needs_no_buffers() -> None:
    body = NUMBERS + batch_of(0, [(0, 0)], [(2**40, 0), (2**40, 0)], b"")
    assert arrow_ipc.read(body).rows.shape == (0, 1)


NAMES = {
    "a name of a kilobyte": (schema_of([b"a" * 1024]), "longer than 512 bytes"),
    "too many columns": (schema_of([b"%d" % index for index in range(4097)]), "has 4097 columns"),
    "no column": (schema_of([]), "has 0 columns"),
    "one more metadata than is looked at": (schema_of([b"a"], metadata=65), "does not hold plain numbers"),
}


@pytest.mark.parametrize(("body", "words"), NAMES.values(), ids=NAMES.keys())
def test_a_schema_that_no_model_can_have_is_an_invalid_request(body: bytes, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        arrow_ipc.read(body)


def test_a_repeated_name_is_read_because_the_model_may_not_take_that_column() -> None:
    assert arrow_ipc.read(schema_of([b"a", b"b", b"a"])).names == ("a", "b", "a")


def test_a_name_that_is_not_utf8_is_malformed() -> None:
    with pytest.raises(MalformedBody, match="column 1 is not UTF-8"):
        arrow_ipc.read(schema_of([b"\xe9"]))


SHARED_PARTS = {
    "one long name for all columns": schema_of([b"a" * 2**20] * 4096),
    "one long text for the metadata of all columns": schema_of([b"a" * 500] * 4096, metadata=10_000),
    "one layout of many fields for all columns": schema_of([b"a", b"b" * 600], slots=30_000),
}


@pytest.mark.parametrize("body", SHARED_PARTS.values(), ids=SHARED_PARTS.keys())
def test_parts_that_many_columns_share_are_not_copied_for_each_column(body: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(InvalidRequest):
        arrow_ipc.read(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20
