"""Bodies of a chosen size that are heavy to decode, in every format."""

import io
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from diffeo.bundle import npy
from diffeo.bundle.manifest import MAX_COLUMNS
from diffeo.service.answer import Answer
from diffeo.service.codecs.arrow import Arrow
from diffeo.service.codecs.v2.signature import ANY_SIZE, Signature, TensorSpec

SIGNATURE: Final = Signature(
    (TensorSpec("x", ("FP32", "FP64"), (ANY_SIZE, 2)),), (TensorSpec("y", ("FP32",), (ANY_SIZE,)),)
)

NARROW_COLUMNS: Final = 512


class Body(NamedTuple):
    """A body and how to decode it.

    Attributes:
        codec: the name of its format, or v2.
        content: its bytes.
        small: a small body of the same format.
        encoding: the compression of the content; None if it is not compressed.
        json_length: the value of Inference-Header-Content-Length.
    """

    codec: str
    content: bytes
    small: bytes
    encoding: str | None = None
    json_length: bytes | None = None


def _text(codec: str, before: str, unit: str, after: str, small: str) -> Callable[[int], Body]:
    def build(size: int) -> Body:
        count = (size - len(before) - len(after)) // len(unit.encode())
        return Body(codec, (before + unit * count + after).encode(), small.encode())

    return build


def _deflated(build: Callable[[int], Body]) -> Callable[[int], Body]:
    def packed(size: int) -> Body:
        body = build(size)
        return body._replace(content=zlib.compress(body.content, 9), encoding="deflate")

    return packed


def _npz(method: int, share: float) -> Callable[[int], Body]:
    def build(size: int) -> Body:
        content = npy.write(np.zeros((max(1, int(size * share) // 16 - 16), 2)))
        return Body("npz", _archive(content, method), _archive(npy.write(np.zeros((1, 2))), method))

    return build


def _archive(content: bytes, method: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("x.npy", content)
    return buffer.getvalue()


def _arrow(size: int) -> Body:
    def table(rows: int) -> bytes:
        return Arrow().encode(Answer("m", 1, ("a", "b"), {"x": np.zeros((rows, 2), np.float32)}, {}, ()))

    return Body("arrow", table(size // 8 - 100), table(1))


def _narrow_arrow(batches: int) -> Callable[[int], Body]:
    # One float64 column among columns of single bytes makes every value eight bytes wide.
    def stream(rows: int) -> bytes:
        columns = [*[np.ones(rows, np.int8)] * NARROW_COLUMNS, np.ones(rows)]
        batch = pa.record_batch(columns, names=[*map(str, range(NARROW_COLUMNS)), "wide"])
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            for _ in range(batches):
                writer.write_batch(batch)
        content: bytes = sink.getvalue().to_pybytes()
        return content

    def build(size: int) -> Body:
        return Body("arrow", stream(max(1, size // batches // (NARROW_COLUMNS + 8) - 100)), stream(1))

    return build


def _wide_csv(cell: str) -> Callable[[int], Body]:
    # As many columns as a model may have, and few rows.
    def build(size: int) -> Body:
        names = ",".join(f"a{number}" for number in range(min(MAX_COLUMNS, size // 10)))
        line = ",".join([cell] * (names.count(",") + 1)) + "\n"
        lines = line * max(1, (size - len(names)) // len(line))
        return Body("csv", f"{names}\n{lines}".encode(), CSV_SMALL.encode())

    return build


def _npy(size: int) -> Body:
    return Body("npy", npy.write(np.zeros((size // 8 - 32, 2), np.float32)), npy.write(np.zeros((1, 2))))


def _v2_binary(size: int) -> Body:
    rows = size // 8 - 64
    text = '{"inputs":[{"name":"x","shape":[%d,2],"datatype":"FP32","parameters":{"binary_data_size":%d}}]}'
    head = (text % (rows, rows * 8)).encode()
    return Body("v2", head + bytes(rows * 8), V2_SMALL.encode(), json_length=b"%d" % len(head))


JSON_SMALL: Final = '{"x":[' + "[1,2]," * 20_000 + "[1,2]]}"
V2_SMALL: Final = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}'
V2_DATA: Final = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":['
LINES_SMALL: Final = "[1,2]\n" * 100
CSV_SMALL: Final = "x0,x1\n" + "1,2\n" * 1000
WIDE: Final = ",".join(["1"] * 64)
LONG_ROW: Final = ",".join(["1"] * 4096)
# Longer than any row of a model.
ROW_OF_2_MB: Final = "1," * (2**20 - 10)
NUMBERS: Final = "[" + ",".join(["0.12345678"] * 6) + "],"

BODIES: Final[Mapping[str, Callable[[int], Body]]] = {
    "json: rows of 2": _text("json", '{"x":[', "[1,2],", "[1,2]]}", JSON_SMALL),
    "json: rows of 6 numbers": _text("json", '{"x":[', NUMBERS, NUMBERS[:-1] + "]}", JSON_SMALL),
    "json: rows of 64": _text("json", '{"x":[', f"[{WIDE}],", f"[{WIDE}]]}}", JSON_SMALL),
    "json: rows of 64, one null": _text("json", '{"x":[', f"[{WIDE}],", f"[{WIDE[:-1]}null]]}}", JSON_SMALL),
    "json: rows of 4096, each with a null": _text(
        "json", '{"x":[', f"[{LONG_ROW[:-1]}null],", f"[{LONG_ROW}]]}}", JSON_SMALL
    ),
    "json: rows of 2 MB, each with a null": _text("json", '{"x":[', f"[{ROW_OF_2_MB}null],", "[1]]}", JSON_SMALL),
    "json: a row of 4 MB, one number too large": _text(
        "json", '{"x":[', f"[1e999,{2 * ROW_OF_2_MB}1],", "[1]]}", JSON_SMALL
    ),
    "json: rows of 64, last one ragged": _text("json", '{"x":[', f"[{WIDE}],", "[1]]}", JSON_SMALL),
    "json: rows of 64, wrong cell at the end": _text(
        "json", '{"x":[', f"[{WIDE}],", f'[{WIDE[:-1]}"a"]]}}', JSON_SMALL
    ),
    "json: [[],[],...]": _text("json", '{"x":[', "[],", "[]]}", JSON_SMALL),
    "json: [{},{},...]": _text("json", '{"x":[', "{},", "{}]}", JSON_SMALL),
    "json: [1],[1],...": _text("json", '{"x":[', "[1],", "[1]]}", JSON_SMALL),
    "json: a flat list": _text("json", '{"x":[', "1,", "1]}", JSON_SMALL),
    "json: another key [[],[],...]": _text("json", '{"y":[', "[],", '[]],"x":[[1,2]]}', JSON_SMALL),
    "json: another key [{},{},...]": _text("json", '{"y":[', "{},", '{}],"x":[[1,2]]}', JSON_SMALL),
    "json: millions of keys": _text("json", "{", '"a":1,', '"x":[[1,2]]}', JSON_SMALL),
    "json: a long string": _text("json", '{"y":"', "a", '"}', JSON_SMALL),
    "json: a long number": _text("json", '{"x":[[1,', "1", "]]}", JSON_SMALL),
    "json: deep": _text("json", '{"x":', "[", "", JSON_SMALL),
    "json: white space": _text("json", '{"x":[[1,2]', " ", "]}", JSON_SMALL),
    "ndjson: rows of 64": _text("ndjson", "", f"[{WIDE}]\n", "", LINES_SMALL),
    "ndjson: rows of 64, one null": _text("ndjson", "", f"[{WIDE}]\n", f"[{WIDE[:-1]}null]\n", LINES_SMALL),
    "ndjson: rows of 64, another kind at the end": _text("ndjson", "", f"[{WIDE}]\n", '{"x":[1]}\n', LINES_SMALL),
    "ndjson: escaped keys": _text("ndjson", "", '{"\\u0078":[' + WIDE + "]}\n", "", LINES_SMALL),
    "ndjson: one line": _text("ndjson", "[", "1,", "1]\n", LINES_SMALL),
    "ndjson: rows of 2 MB, each with a null": _text("ndjson", "", f"[{ROW_OF_2_MB}null]\n", "[1]\n", LINES_SMALL),
    "ndjson: []": _text("ndjson", "", "[]\n", "", LINES_SMALL),
    "csv: rows of 2": _text("csv", "x0,x1\n", "1,2\n", "", CSV_SMALL),
    "csv: rows of 64": _text("csv", ",".join(f"a{i}" for i in range(64)) + "\n", f"{WIDE}\n", "", CSV_SMALL),
    "csv: rows of 64, CRLF": _text("csv", "", f"{WIDE}\r\n", "", CSV_SMALL),
    "csv: rows of 64, wrong at the end": _text(
        "csv", ",".join(f"a{i}" for i in range(64)) + "\n", f"{WIDE}\n", f"{WIDE[:-1]}a\n", CSV_SMALL
    ),
    "csv: rows of 64, other spellings": _text(
        "csv", ",".join(f"a{i}" for i in range(64)) + "\n", f"{WIDE[:-1]}Nan(\n", "", CSV_SMALL
    ),
    "csv: 64 columns of text": _text(
        "csv", ",".join(f"a{i}" for i in range(64)) + "\n", ",".join(["b"] * 64) + "\n", "", CSV_SMALL
    ),
    "csv: 1000 missing cells a row": _text(
        "csv", ",".join(f"a{i}" for i in range(1000)) + "\n", "," * 999 + "\n", "", CSV_SMALL
    ),
    "csv: thousands of columns of text": _wide_csv("b"),
    "csv: thousands of columns of numbers": _wide_csv("1"),
    "csv: quotes": _text("csv", "x0,x1\n", '"1","2"\n', "", CSV_SMALL),
    "csv: one cell of quotes": _text("csv", "x0,x1\n", '"', "", CSV_SMALL),
    "csv: no line end": _text("csv", "x0,x1\n", "1,", "", CSV_SMALL),
    "csv: not ASCII": _text("csv", "a,b\n", "é,\U0001f600\n", "", CSV_SMALL),
    "csv: blanks": _text("csv", "a,b\n1,2", " \n", "", CSV_SMALL),
    "npy": _npy,
    "npz: stored": _npz(zipfile.ZIP_STORED, 1.0),
    "npz: deflated": _npz(zipfile.ZIP_DEFLATED, 1.0),
    "npz: above the limit": _npz(zipfile.ZIP_DEFLATED, 8.0),
    "arrow": _arrow,
    "arrow: 512 columns of bytes, one of float64": _narrow_arrow(1),
    "arrow: 512 columns of bytes, one of float64, in 2 batches": _narrow_arrow(2),
    "v2: flat data": _text("v2", V2_DATA, "1,", "1]}]}", V2_SMALL),
    "v2: rows of 2": _text("v2", V2_DATA, "[1,2],", "[1,2]]}]}", V2_SMALL),
    "v2: data [[],[],...]": _text("v2", V2_DATA, "[],", "[]]}]}", V2_SMALL),
    "v2: another key [[],[],...]": _text("v2", '{"zzz":[', "[],", '[]],"inputs":[]}', V2_SMALL),
    "v2: deflated [[],[],...]": _deflated(_text("v2", '{"zzz":[', "[],", '[]],"inputs":[]}', V2_SMALL)),
    "v2: deflated data": _deflated(_text("v2", V2_DATA, "1,", "1]}]}", V2_SMALL)),
    "v2: a long shape": _text("v2", '{"inputs":[{"name":"x","shape":[', "1,", "1]}]}", V2_SMALL),
    "v2: bytes": _v2_binary,
}
# Answers by name: their format, and whether half of their rows are invalid.
ANSWERS: Final[Mapping[str, str]] = {
    f"answer in {name}": name
    for name in (
        "json",
        "json, half invalid",
        "ndjson",
        "csv",
        "arrow",
        "npz",
        "v2 json",
        "v2 binary",
        "v2 json, half invalid",
    )
}
