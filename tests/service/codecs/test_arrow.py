"""The Arrow format: streams that pyarrow writes are read; changed or cut streams are errors."""

import re
import struct

import numpy as np
import pyarrow as pa
import pytest

from diffeo.service.answer import Answer, Tensor
from diffeo.service.codecs.arrow import Arrow
from diffeo.service.errors import InvalidRequest, MalformedBody
from tests.given.decoded_rows import decoded_rows

ARROW = Arrow()


def written(*batches: pa.RecordBatch, **options: object) -> bytes:
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, batches[0].schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for batch in batches:
            writer.write_batch(batch)
    content: bytes = stream.getvalue().to_pybytes()
    return content


def batch(**columns: pa.Array) -> pa.RecordBatch:
    return pa.record_batch(list(columns.values()), names=list(columns))


F32 = pa.array([0.5, None, -0.0], pa.float32())
F64 = pa.array([0.1, 2, 3], pa.float64())
TYPES = {
    pa.float16(): np.float32,
    pa.float32(): np.float32,
    pa.float64(): np.float64,
    pa.int8(): np.float32,
    pa.uint8(): np.float32,
    pa.int16(): np.float32,
    pa.uint16(): np.float32,
    pa.int32(): np.float64,
    pa.uint32(): np.float64,
    pa.int64(): np.float64,
    pa.uint64(): np.float64,
}


@pytest.mark.parametrize(("given", "expected"), TYPES.items(), ids=str)
@pytest.mark.parametrize("nulls", [False, True])
def test_a_column_of_any_number_type_is_read_and_null_becomes_nan(
    given: pa.DataType, expected: type, *, nulls: bool
) -> None:
    values = [1, None if nulls else 7, 100] * 5
    payload = ARROW.decode(written(batch(a=pa.array(values).cast(given))), {})
    assert (payload.columns, payload.rows_name) == (("a",), None)
    np.testing.assert_array_equal(payload.rows, np.array(values, float)[:, None].astype(expected), strict=True)


@pytest.mark.parametrize("given", [kind for kind in TYPES if pa.types.is_integer(kind)], ids=str)
def test_the_smallest_and_largest_integers_are_read_exactly(given: pa.DataType) -> None:
    ends = np.iinfo(given.to_pandas_dtype())
    rows = decoded_rows(ARROW, written(batch(a=pa.array([ends.min, ends.max], given))))
    np.testing.assert_array_equal(rows, np.array([[ends.min], [ends.max]], float))


def test_float32_columns_stay_float32_unless_one_column_is_wider() -> None:
    assert decoded_rows(ARROW, written(batch(a=F32, b=F32))).dtype == np.float32
    payload = ARROW.decode(written(batch(a=F32, b=F64)), {})
    assert payload.columns == ("a", "b")
    np.testing.assert_array_equal(payload.rows, np.array([[0.5, 0.1], [np.nan, 2], [-0.0, 3]]), strict=True)


PAIR = batch(a=F32, b=F32)
TWICE = pa.concat_arrays([F32, F32])
CHUNKS = pa.table({"a": pa.chunked_array([F32, F32]), "b": pa.chunked_array([F32, F32])})
FIELD = pa.field("a", pa.float32(), metadata={"PARQUET:field_id": "1"})

LAYOUTS = {
    "one batch": written(batch(a=TWICE, b=TWICE)),
    "several batches": written(PAIR, PAIR),
    "an empty batch between two": written(PAIR, PAIR[:0], PAIR),
    "slices": written(batch(a=TWICE[:2], b=TWICE[:2]), batch(a=TWICE[2:], b=TWICE[2:])),
    "a table of chunks": written(*CHUNKS.to_batches()),
    "metadata": written(*[PAIR.replace_schema_metadata({"pandas": "{}" * 1000})] * 2),
    "metadata of a column": written(*[PAIR.cast(pa.schema([FIELD, pa.field("b", pa.float32())]))] * 2),
    "version 4": written(PAIR, PAIR, metadata_version=pa.ipc.MetadataVersion.V4),
    "no end-of-stream marker": written(PAIR, PAIR)[:-8],
}


@pytest.mark.parametrize("body", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_every_layout_of_the_same_rows_gives_the_same_table(body: bytes) -> None:
    payload = ARROW.decode(body, {})
    column = np.array([0.5, np.nan, -0.0] * 2, np.float32)
    assert payload.columns == ("a", "b")
    rows = decoded_rows(ARROW, body)
    np.testing.assert_array_equal(rows, np.stack([column, column], axis=1), strict=True)
    assert np.signbit(rows[[2, 5]]).all()


def test_a_stream_without_rows_is_an_empty_table() -> None:
    assert decoded_rows(ARROW, written(batch(a=F32[:0], b=F64[:0]))).shape == (0, 2)
    schema_alone = written(batch(a=F32))[: len(pa.schema([("a", pa.float32())]).serialize())]
    assert decoded_rows(ARROW, schema_alone).shape == (0, 1)


def test_a_signalling_nan_is_read_without_a_warning() -> None:
    signalling = np.array([0x7F800001], np.uint32).view(np.float32)
    rows = decoded_rows(ARROW, written(batch(a=pa.array(signalling), b=F64[:1])))
    assert np.isnan(rows).tolist() == [[True, False]]


SKIPPED = {
    "text": pa.array(["1", "2", "3"]),
    "large text": pa.array(["1", "2", "3"], pa.large_string()),
    "views of text": pa.array(["1", "2", "a text that is longer than a view"], pa.string_view()),
    "bytes": pa.array([b"1", b"2", b"3"]),
    "bytes of one size": pa.array([b"1", b"2", b"3"], pa.binary(1)),
    "dates": pa.array([1, 2, 3], pa.date32()),
    "durations": pa.array([1, 2, 3], pa.duration("s")),
    "booleans": pa.array([True, False, None]),
    "nulls": pa.nulls(3),
    "timestamps": pa.array([1, 2, 3], pa.timestamp("s")),
    "decimals": pa.array([1, 2, 3], pa.decimal128(5)),
    "a dictionary": pa.array([1.0, 2.0, 1.0]).dictionary_encode(),
    "an extension": pa.ExtensionArray.from_storage(pa.opaque(pa.float32(), "test", "extension"), F32),
}


@pytest.mark.parametrize("column", SKIPPED.values(), ids=SKIPPED.keys())
def test_a_column_without_numbers_is_skipped_and_listed_as_unreadable(column: pa.Array) -> None:
    payload = ARROW.decode(written(batch(a=F32, b=column, c=F64)), {})
    assert payload.columns == ("a", "c")
    np.testing.assert_array_equal(payload.rows, np.stack([F32, F64], axis=1))
    assert [column.name for column in payload.unreadable] == ["b"]
    assert re.fullmatch("the column 'b' holds .*; expected numbers", payload.unreadable[0].error.detail)


NESTED = {
    "lists": pa.array([[1.0], [2.0], [3.0]]),
    "fixed lists": pa.array([[1.0], [2.0], [3.0]], pa.list_(pa.float64(), 1)),
    "structs": pa.array([{"a": 1.0}] * 3),
    "runs": pa.RunEndEncodedArray.from_arrays([3], [1.0]),
}


@pytest.mark.parametrize("column", NESTED.values(), ids=NESTED.keys())
def test_a_column_of_nested_values_is_an_invalid_request(column: pa.Array) -> None:
    with pytest.raises(InvalidRequest, match="column 2 does not hold plain numbers"):
        ARROW.decode(written(batch(a=F32, b=column)), {})


PLAIN = written(batch(a=F32, b=F32))
SCHEMA = pa.schema([("a", pa.float32()), ("b", pa.float32())]).serialize().to_pybytes()


def patched(old: bytes, new: bytes, count: int = 1) -> bytes:
    assert PLAIN.count(old) == count
    return PLAIN.replace(old, new)


def int64s(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}q", *values)


# Three rows of two float32 columns. Each has a bitmap of one byte and twelve bytes of values, padded to eight bytes.
BUFFERS = int64s(0, 1, 8, 12, 24, 1, 32, 12)
NODES = int64s(3, 1, 3, 1)

MESSAGE = "are not a complete Arrow message"
LENGTHS = "columns of different lengths"
BUFFER = "a buffer of the Arrow stream is shorter than its column, or is outside its message"

MALFORMED = {
    "no Arrow": (b"a,b\n1,2\n", MESSAGE),
    "the file format": (b"ARROW1\0\0" + PLAIN, "is in the Arrow file format; send the Arrow stream format"),
    "lz4": (written(batch(a=F32), compression="lz4"), "compressed; send them without compression"),
    "zstd": (written(batch(a=F32), compression="zstd"), "compressed; send them without compression"),
    "an old frame": (written(batch(a=F32), use_legacy_format=True), MESSAGE),
    "another continuation marker": (b"\xff\xff\xff\xfe" + PLAIN[4:], MESSAGE),
    "the end-of-stream marker alone": (PLAIN[-8:], "does not begin with a schema"),
    "a batch before the schema": (PLAIN[len(SCHEMA) :], "does not begin with a schema"),
    "two schemas": (SCHEMA + PLAIN, "a message that is not a record batch"),
    "a byte behind the end": (PLAIN + b"\0", "ends at byte 416 of 417"),
    "two streams": (PLAIN * 2, "ends at byte 416 of 832"),
    "a message of no bytes": (PLAIN[:4] + bytes(4) + PLAIN[8:], "ends at byte 8 of 416"),
    "a message of fewer than no bytes": (PLAIN[:4] + struct.pack("<i", -8) + PLAIN[8:], MESSAGE),
    "a message beyond the end": (PLAIN[:4] + struct.pack("<i", 2**31 - 1) + PLAIN[8:], MESSAGE),
    "a message of zeros": (PLAIN[:4] + struct.pack("<i", 8) + bytes(8), "older than V4, empty or cut off"),
    "a message of ones": (PLAIN[:4] + struct.pack("<i", 64) + b"\xff" * 64, "has an offset outside the message"),
    "columns of another length": (patched(NODES, int64s(3, 1, 2, 1)), LENGTHS),
    "a column of fewer than no rows": (patched(NODES, int64s(-1, 0, -1, 0)), LENGTHS),
    "nulls without a bitmap": (patched(BUFFERS, int64s(0, 0, 8, 12, 24, 1, 32, 12)), BUFFER),
    "more nulls than it says": (patched(NODES, int64s(3, 1, 3, 0)), "another number of nulls than its header says"),
    "fewer nulls than it says": (patched(NODES, int64s(3, 2, 3, 1)), "another number of nulls than its header says"),
    "a bitmap behind the end": (patched(BUFFERS, int64s(0, 1, 8, 12, 48, 1, 32, 12)), BUFFER),
    "values too short": (patched(BUFFERS, int64s(0, 1, 8, 11, 24, 1, 32, 12)), BUFFER),
    "values behind the end": (patched(BUFFERS, int64s(0, 1, 8, 12, 24, 1, 40, 12)), BUFFER),
    "values before the beginning": (patched(BUFFERS, int64s(0, 1, -8, 12, 24, 1, 32, 12)), BUFFER),
    "values far behind the end": (patched(BUFFERS, int64s(0, 1, 2**62, 12, 24, 1, 32, 12)), BUFFER),
    "a length that overflows": (patched(BUFFERS, int64s(0, 1, 8, 2**63 - 1, 24, 1, 32, 12)), BUFFER),
}


@pytest.mark.parametrize(("body", "words"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_body_that_is_not_one_stream_of_plain_columns_is_malformed(body: bytes, words: str) -> None:
    with pytest.raises(MalformedBody, match=re.escape(words)) as caught:
        ARROW.decode(body, {})
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("end", [end for end in range(1, len(PLAIN) - 8) if end != len(SCHEMA)])
def test_a_stream_that_is_cut_off_is_malformed(end: int) -> None:
    with pytest.raises(MalformedBody):
        ARROW.decode(PLAIN[:end], {})


def test_pyarrow_reads_an_answer_and_null_marks_a_row_without_a_result() -> None:
    tensors: dict[str, Tensor] = {
        "x": np.array([[1, 0.1], [np.nan, np.nan]], np.float64),
        "z": np.array([[3, 4], [np.nan, np.nan]], np.float32),
        "log_prob": np.array([-0.5, np.nan], np.float32),
    }
    body = ARROW.encode(Answer("m", 1, ("a", "b"), tensors))
    assert body.endswith(b"\xff\xff\xff\xff\0\0\0\0")
    table = pa.ipc.open_stream(body).read_all()
    table.validate(full=True)
    assert table.to_pydict() == {
        "a": [1.0, None], "b": [0.1, None], "z0": [3.0, None], "z1": [4.0, None], "log_prob": [-0.5, None]
    }  # fmt: skip
    assert [str(kind) for kind in table.schema.types] == ["double", "double", "float", "float", "float"]


def test_columns_of_x_are_renamed_if_a_name_is_reserved() -> None:
    table = np.zeros((1, 2), np.float32)
    body = ARROW.encode(Answer("m", 1, ("z1", "b"), {"x": table, "z": table}))
    assert pa.ipc.open_stream(body).schema.names == ["x0", "x1", "z0", "z1"]
