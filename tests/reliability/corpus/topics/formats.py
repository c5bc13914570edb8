"""Bodies of every format: damaged by hand, mutated by a seeded generator, and under the name of another format."""

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import pyarrow as pa

from tests.reliability.corpus.case import GOOD_BODY, GOOD_ROWS, JSON, Case, named, post

TOPIC: Final = "formats"
ROWS: Final = np.array(GOOD_ROWS, np.float32)
CSV: Final = b"height,weight\n0.3,-0.4\n1.0,0.5\n"
NDJSON: Final = b"[0.3,-0.4]\n[1.0,0.5]\n"
MEDIA_TYPES: Final = (
    "application/x-npy", "application/x-npz", "text/csv", "application/x-ndjson", "application/vnd.apache.arrow.stream",
    JSON,
)  # fmt: skip
OTHER_TYPES: Final = (
    "", "text/plain", "text/html", "application/xml", "application/octet-stream", "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=a", "multipart/form-data", "application/vnd.bentoml+pickle", "application/x-pickle",
    "application/json;", "application/json; charset=utf-16", "APPLICATION/JSON", "application/json, text/csv", "json", "*/*",
    "application/*", "application/vnd.apache.arrow.file", "application/x-protobuf", "application/grpc", "application/yaml",
    "a" * 5000, "application/json\t", "é/é",
)  # fmt: skip
ENCODINGS: Final = (
    "gzip",
    "deflate",
    "br",
    "zstd",
    "compress",
    "identity",
    "x-gzip",
    "gzip, gzip",
    "gzip, identity",
    "",
    ",",
    "*",
    "a" * 3000,
)
EMPTY: Final = "{{'descr': '<f4', 'fortran_order': False, 'shape': (0, {}), }}\n"
MUTATIONS_EACH: Final = 55
SEED: Final = 14


def npy(rows: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> bytes:
    """The rows as one npy file."""
    buffer = io.BytesIO()
    np.save(buffer, rows)
    return buffer.getvalue()


def npz(members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def arrow(columns: Mapping[str, pa.Array]) -> bytes:
    """An Arrow stream of one batch."""
    table = pa.table(dict(columns))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def good_bodies() -> dict[str, bytes]:
    """By media type, a good body of the rows that every test of the corpus sends."""
    return {
        "application/x-npy": npy(ROWS),
        "application/x-npz": npz({"x.npy": npy(ROWS)}),
        "text/csv": CSV,
        "application/x-ndjson": NDJSON,
        "application/vnd.apache.arrow.stream": arrow({"height": pa.array([0.3, 1.0]), "weight": pa.array([-0.4, 0.5])}),
        JSON: GOOD_BODY,
    }


def cases() -> Iterator[Case]:
    """All cases of this topic."""
    good = good_bodies()
    for media_type, body in good.items():
        yield from named(TOPIC, [(f"good {media_type}", post("/log_prob", body, media_type))], [200])
        for other in MEDIA_TYPES:
            if other != media_type:
                yield from named(TOPIC, [(f"{media_type} as {other}", post("/log_prob", body, other))])
        for encoding in ENCODINGS:
            data = post("/log_prob", body, media_type, [("Content-Encoding", encoding)])
            yield from named(TOPIC, [(f"{media_type} with Content-Encoding {encoding[:20]}", data)])
        for name, changed in _mutations(body, random.Random(f"{SEED}{media_type}")):
            yield from named(TOPIC, [(f"{media_type} {name}", post("/log_prob", changed, media_type))])
    for other in OTHER_TYPES:
        for operation in ("/log_prob", "/sample"):
            data = post(operation, GOOD_BODY, other.encode().decode("latin-1"))
            yield from named(TOPIC, [(f"Content-Type {other[:40]!r} to {operation}", data)])
    for media_type, hand_made in (
        ("application/x-npy", _npy_by_hand()), ("application/x-npz", _npz_by_hand()), ("text/csv", _csv_by_hand()),
        ("application/x-ndjson", _ndjson_by_hand()), ("application/vnd.apache.arrow.stream", _arrow_by_hand()),
    ):  # fmt: skip
        for name, body in hand_made.items():
            yield from named(TOPIC, [(f"{media_type}: {name}", post("/log_prob", body, media_type))])


def _mutations(body: bytes, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    for number in range(MUTATIONS_EACH):
        changed = bytearray(body)
        kind = rng.choice(("flip", "cut", "insert", "repeat", "delete", "extreme"))
        at = rng.randrange(len(changed))
        if kind == "flip":
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == "cut":
            del changed[at:]
        elif kind == "insert":
            changed[at:at] = rng.randbytes(rng.randrange(1, 20))
        elif kind == "repeat":
            changed[at:at] = changed[at : at + 40] * rng.randrange(1, 200)
        elif kind == "delete":
            del changed[at : at + rng.randrange(1, 9)]
        else:
            changed[at : at + 4] = rng.choice((b"\xff\xff\xff\x7f", b"\xff" * 4, bytes(4), b"\x00\x00\x00\x80"))
        yield f"mutation {number}, {kind} at {at}", bytes(changed)


def _header(text: str, version: bytes = b"\x01\x00", length: int | None = None) -> bytes:
    encoded = text.encode("latin-1")
    size = len(encoded) if length is None else length
    return b"\x93NUMPY" + version + struct.pack("<H" if version == b"\x01\x00" else "<I", size) + encoded


def _npy_by_hand() -> dict[str, bytes]:
    data = ROWS.tobytes()

    def described(descr: str, order: str = "False", shape: str = "(2, 2)") -> bytes:
        return _header(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n") + data

    found = {f"descr {name}": described(name) for name in (
        "'|O'", "'<f2'", "'>f4'", "'<f16'", "'<c8'", "'<U4'", "'|S4'", "'<i8'", "'|b1'", "'<M8[s]'", "'|V4'", "''", "4", "None",
        "[('a', '<f4')]", "[('a', '<f4', (2,))]", "[('a', '|O')]", "[]", "'<f4' * 999999999", "__import__('os')", "'f'", "'<f99'",
    )}  # fmt: skip
    found |= {f"shape {name}": described("'<f4'", shape=name) for name in (
        "()", "(4,)", "(2, 2, 1)", "(0, 2)", "(2, 0)", "(-1, 2)", "(2, -2)", "(1e9, 2)", "(9223372036854775807, 2)",
        "(18446744073709551616, 2)", "(4611686018427387904, 4)", "(2, 2", "2", "None", "[2, 2]", "(2.0, 2)", "(True, 2)",
        "(" + "1, " * 5000 + ")", "(9" * 3000 + ")", "(1000000, 2)", "(1, 1000000)", "(65536, 65536)",
    )}  # fmt: skip
    found |= {f"order {name}": described("'<f4'", name) for name in ("True", "1", "None", "'a'")}
    found |= {
        "only the magic": b"\x93NUMPY",
        "version 9": _header("{}\n", b"\x09\x00"),
        "version 3": _header("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }\n", b"\x03\x00") + data,
        "a header of 4 GB": b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + data,
        "a header beyond the end": _header("{}\n", length=65_535),
        "a deep header": _header("(" * 3000 + ")" * 3000),
        "an expression": _header("{'descr': '<f4', 'fortran_order': False, 'shape': (2**62, 2)}\n") + data,
        "a repeated key": _header("{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': (2, 2)}\n") + data,
        "no rows and many columns": _header(EMPTY.format(10_000_000)),
        "no rows and columns beyond 62 bits": _header(EMPTY.format(2**62)),
        "no rows and columns beyond 64 bits": _header(EMPTY.format(2**70)),
        "more data": npy(ROWS) + bytes(100),
        "less data": npy(ROWS)[:-1],
        "two files": npy(ROWS) * 2,
        "a pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00cposix\nsystem\n.",
        "NaN and infinities": npy(np.array([[np.nan, 1], [np.inf, -np.inf], [1e38, -1e38]], np.float32)),
        "no rows": npy(np.zeros((0, 2), np.float32)),
        "one wide row": npy(np.zeros((1, 10_000), np.float32)),
    }
    return found


def _npz_by_hand() -> dict[str, bytes]:
    member = npy(ROWS)
    whole = npz({"x.npy": member})
    bomb = npz({"x.npy": member + bytes(3_000_000)}, zipfile.ZIP_DEFLATED)
    end = whole.rindex(b"PK\x05\x06")
    central = whole.rindex(b"PK\x01\x02")
    return {
        "deflated": npz({"x.npy": member}, zipfile.ZIP_DEFLATED),
        "bzip2": npz({"x.npy": member}, zipfile.ZIP_BZIP2),
        "LZMA": npz({"x.npy": member}, zipfile.ZIP_LZMA),
        "a bomb": bomb,
        "a bomb in a bomb": npz({"x.npy": bomb}, zipfile.ZIP_DEFLATED),
        "no members": npz({}),
        "another name": npz({"y.npy": member}),
        "a path as a name": npz({"../../x.npy": member}),
        "an absolute name": npz({"/x.npy": member}),
        "a NUL in a name": npz({"x.npy": member}).replace(b"x.npy", b"x\x00npy"),
        "two members": npz({"x.npy": member, "z.npy": member}),
        "a thousand members": npz({f"x{number}.npy": b"" for number in range(1000)}),
        "no rows and columns beyond 62 bits": npz({"x.npy": _header(EMPTY.format(2**62))}),
        "no file inside": npz({"x.npy": b""}),
        "text inside": npz({"x.npy": b"hello"}),
        "a long name": npz({"x" * 60_000: member}),
        "the end alone": whole[end:],
        "no end": whole[:end],
        "no directory": whole[:central] + whole[end:],
        "a size of 4 GB": whole[: central + 20] + b"\xff" * 8 + whole[central + 28 :],
        "an offset of 4 GB": whole[: central + 42] + b"\xff" * 4 + whole[central + 46 :],
        "an offset to itself": whole[: end + 16] + struct.pack("<I", end) + whole[end + 20 :],
        "a wrong checksum": whole[: central + 16] + bytes(4) + whole[central + 20 :],
        "encrypted": whole[: central + 8] + b"\x01\x00" + whole[central + 10 :],
        "65535 entries": whole[: end + 8] + b"\xff\xff\xff\xff" + whole[end + 12 :],
        "a comment": whole + bytes(1000),
        "a prefix": bytes(1000) + whole,
        "a comment with an end": whole[: end + 20] + b"\x16\x00" + whole[end:],
        "raw deflate": zlib.compress(member),
    }


def _csv_by_hand() -> dict[str, bytes]:
    texts = {
        "no rows": "height,weight\n", "no header": "0.3,-0.4\n", "an empty line": "height,weight\n\n0.3,-0.4\n", "only commas": ",,,\n,,,\n",
        "a formula": "height,weight\n=1+1,@a\n", "quotes": 'height,weight\n"0.3","-0.4"\n', "an open quote": 'height,weight\n"0.3,-0.4\n',
        "quotes in quotes": 'height,weight\n"0.""3",1\n', "a line in quotes": 'height,weight\n"0.\n3",1\n', "a ragged row": "height,weight\n1\n",
        "a long row": "height,weight\n1,2,3\n", "text": "height,weight\na,b\n", "NaN": "height,weight\nNaN,nan\n", "infinity": "height,weight\ninf,-Infinity\n",
        "hexadecimal": "height,weight\n0x1,0x2\n", "underscores": "height,weight\n1_0,2\n", "Arabic digits": "height,weight\n٣,1\n", "spaces": "height,weight\n 1 , 2 \n",
        "semicolons": "height;weight\n1;2\n", "tabs": "height\tweight\n1\t2\n", "carriage returns": "height,weight\r1,2\r", "NUL": "height,weight\n1\x00,2\n",
        "a repeated column": "height,height\n1,2\n", "other columns": "a,b\n1,2\n", "a third column": "height,weight,c\n1,2,a\n",
        "a byte order mark": "\ufeffheight,weight\n1,2\n", "a long cell": "height,weight\n" + "1" * 100_000 + ",2\n", "a long name": "x" * 100_000 + ",x1\n1,2\n",
        "ten thousand columns": ",".join(f"c{number}" for number in range(10_000)) + "\n", "a comment": "# a\nheight,weight\n1,2\n",
        "only line ends": "\n" * 10_000, "empty cells": "height,weight\n,\n", "percent": "height,weight\n5%,2\n", "commas in numbers": 'height,weight\n"1,000",2\n',
        "big exponents": "height,weight\n1e999,1e-999\n", "long exponents": "height,weight\n1e" + "9" * 5000 + ",1\n", "JSON": '{"x":[[1,2]]}',
        "a vertical tab": "height,weight\n1\x0b,2\n", "a line separator": "height,weight\n1,2\u20283,4\n",
    }  # fmt: skip
    return {name: text.encode() for name, text in texts.items()} | {
        "UTF-16": CSV.decode().encode("utf-16"),
        "Latin-1": b"height,weight,\xe9\n1,2,3\n",
        "invalid UTF-8": b"height,weight\n\xff,2\n",
    }


def _ndjson_by_hand() -> dict[str, bytes]:
    texts = {
        "objects": '{"height":0.3,"weight":-0.4}\n', "a mix": '[1,2]\n{"height":1,"weight":2}\n', "an empty line": "[1,2]\n\n[3,4]\n", "no end": "[1,2]",
        "half a line": "[1,2]\n[3,", "two in a line": "[1,2] [3,4]\n", "ragged": "[1,2]\n[1]\n", "nested": "[[1,2]]\n", "deep": "[" * 50_000,
        "NaN": "[NaN,1]\n", "null": "[null,1]\n", "a null line": "null\n", "text": '["a","b"]\n', "a number": "1\n", "booleans": "[true,false]\n",
        "repeated keys": '{"height":1,"height":2,"weight":3}\n', "other keys": '{"a":1,"b":2}\n', "a missing key": '{"height":1}\n', "more keys": '{"height":1,"weight":2,"c":"a"}\n',
        "changing keys": '{"height":1,"weight":2}\n{"weight":1,"height":2}\n', "a huge number": "[" + "1" * 50_000 + ",1]\n", "a long key": '{"' + "a" * 50_000 + '":1}\n',
        "carriage returns": "[1,2]\r\n[3,4]\r\n", "only line feeds": "\n" * 10_000, "NUL": "[1,2]\x00\n", "a byte order mark": "\ufeff[1,2]\n",
        "a wide row": "[" + ",".join(["1"] * 10_000) + "]\n", "a line separator": "[1,2]\u2028[3,4]\n", "an array of rows": "[[1,2],[3,4]]",
        "a surrogate": '{"\\ud800":1,"height":1,"weight":2}\n', "empty rows": "[]\n[]\n", "empty objects": "{}\n{}\n",
    }  # fmt: skip
    return {name: text.encode() for name, text in texts.items()} | {"invalid UTF-8": b"[1,\xff]\n"}


def _arrow_by_hand() -> dict[str, bytes]:
    one, two = pa.array([0.3, 1.0]), pa.array([-0.4, 0.5])
    whole = arrow({"height": one, "weight": two})
    tables: dict[str, Mapping[str, pa.Array]] = {
        "no columns": {}, "one column": {"height": one}, "other names": {"a": one, "b": two}, "texts": {"height": one, "weight": pa.array(["a", "b"])},
        "nulls": {"height": one, "weight": pa.array([None, 1.0])}, "only nulls": {"height": one, "weight": pa.nulls(2)}, "booleans": {"height": one, "weight": pa.array([True, False])},
        "integers": {"height": one, "weight": pa.array([2**63 - 1, -(2**63)])}, "unsigned": {"height": one, "weight": pa.array([2**64 - 1, 0], pa.uint64())},
        "lists": {"x": pa.array([[0.3, -0.4], [1.0, 0.5]])}, "fixed lists": {"x": pa.array([[0.3, -0.4]], pa.list_(pa.float32(), 2))},
        "a dictionary": {"height": one.dictionary_encode(), "weight": two}, "half floats": {"height": pa.array([0.3, 1.0], pa.float16()), "weight": two},
        "decimals": {"height": pa.array([1, 2], pa.decimal128(5, 2)), "weight": two}, "times": {"height": pa.array([1, 2], pa.timestamp("s")), "weight": two},
        "structs": {"height": pa.array([{"a": 1}, {"a": 2}]), "weight": two}, "binary": {"height": pa.array([b"a", b"b"]), "weight": two},
        "no rows": {"height": pa.array([], pa.float32()), "weight": pa.array([], pa.float32())}, "an empty name": {"": one, "weight": two},
        "a long name": {"x" * 50_000: one}, "a thousand columns": {f"c{number}": one for number in range(1000)},
    }  # fmt: skip
    found = {name: arrow(columns) for name, columns in tables.items()}
    return found | {
        "the end alone": b"\xff\xff\xff\xff\x00\x00\x00\x00",
        "no end": whole[:-8],
        "a size of 2 GB": whole[:4] + b"\xff\xff\xff\x7f" + whole[8:],
        "a negative size": whole[:4] + b"\x00\x00\x00\x80" + whole[8:],
        "the schema twice": whole + whole,
        "a file": b"ARROW1\x00\x00" + whole + b"ARROW1",
        "the old format": whole[4:],
        "zeros": bytes(1000),
        "compressed": _compressed(),
    }


def _compressed() -> bytes:
    table = pa.table({"height": pa.array(np.zeros(200_000)), "weight": pa.array(np.zeros(200_000))})
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())
