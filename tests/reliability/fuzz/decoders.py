"""The decoders that take bytes of a client, each with seeds for its small inputs and units for its large ones."""

import gzip
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from benchmarks.reliability.bodies import BODIES
from diffeo.service.codecs import CODECS
from diffeo.service.codecs.parsing import zip_member
from diffeo.service.codecs.parsing.inflate import inflate
from diffeo.service.codecs.parsing.strict_json import parse_object, to_python, unique_keys
from diffeo.service.codecs.v2 import request as v2_request
from diffeo.service.codecs.v2.signature import ANY_SIZE, Signature, TensorSpec
from diffeo.service.connections.limits import ConnectionLimits
from diffeo.service.errors import RequestError
from diffeo.service.query import read_query
from diffeo.service.requests import Limits
from diffeo.service.routes.request_context import MAX_PARAMETERS

from .references import csv_agrees, json_agrees, ndjson_agrees

SIGNATURE: Final = Signature(
    (TensorSpec("x", ("FP32", "FP64", "INT64"), (ANY_SIZE, 2)),), (TensorSpec("y", ("FP32",), (ANY_SIZE,)),)
)
LIMITS: Final = Limits(1_000_000, 1_000_000)
INFLATE_LIMIT: Final = 2**24
STRICT_LIMIT: Final = 64 * 1024


class Decoder(NamedTuple):
    """One decoder.

    Attributes:
        decode: decodes bytes; it must return or raise a RequestError.
        seeds: small valid inputs.
        units: texts that repeat in its large inputs.
        agrees: whether a slow reader reads the same as was decoded; None if there is none.
    """

    decode: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    units: tuple[bytes, ...]
    agrees: Callable[[bytes, object], bool] | None = None


def _codec(name: str) -> Callable[[bytes], object]:
    codec = next(each for each in CODECS if each.name == name)

    def decode(body: bytes) -> object:
        codec.unpacked_bytes(body)
        return codec.decode(body, {}, LIMITS)

    return decode


def _strict_json(body: bytes) -> object:
    # The service gives the strict parser no longer text.
    document = parse_object(body[:STRICT_LIMIT])
    return [to_python(document[key]) for key in unique_keys(document)]


def _v2_header(body: bytes) -> object:
    # The first line is the value of Inference-Header-Content-Length.
    length, _, content = body.partition(b"\n")
    return v2_request.decode(content, length, SIGNATURE, LIMITS)


def _query(text: bytes) -> object:
    # The service accepts no longer target of a request.
    query = text[: ConnectionLimits().target_bytes].decode("latin-1")
    pairs = [pair.partition("=") for pair in query.split("&")[:MAX_PARAMETERS]]
    return read_query({name: value for name, _, value in pairs})


JSON_UNITS: Final = (
    b"[1],", b"[1,2],", b"[],", b"{},", b"1,", b"null,", b"[null,1],", b'"a":1,', b'"x":[[1]],', b"[", b"]", b"{", b'"',
    b"\\", b" ", b"1", b'"data":[1],', b"[1.5e300,-0.0],", b"\xff", b"true,", b"[[1]],", b"\n",
)  # fmt: skip
LINE_UNITS: Final = (b"[1,2]\n", b"[1]\n", b'{"x":[1,2]}\n', b"[null,1]\n", b"\n", b"1,", b"[", b"[]\n", b" ", b"\r\n")
CSV_UNITS: Final = (
    b"1,2\n",
    b",\n",
    b'"1","2"\n',
    b'"',
    b"a,b\n",
    b"1,",
    b"\r\n",
    b"\r",
    b"nan,1\n",
    b" ",
    b"\xc3\xa9,1\n",
)
BINARY_UNITS: Final = (b"\0", b"\xff", b"\0\0\x80?", b"PK\3\4", b"PK\1\2", b"\xff\xff\xff\xff\x10\0\0\0", b"\x01\0\0\0")
# Offsets and counts of flatbuffers, by which many parts become one shared part.
SHARED_UNITS: Final = (*(struct.pack("<I", number) for number in (4, 64, 4096, 8192)), bytes(16), bytes(64))


def _small(codec: str) -> tuple[bytes, ...]:
    found = dict.fromkeys(
        body.small if len(body.small) < 4096 else body.small[:30] + b"]}"
        for body in (build(4096) for build in BODIES.values())
        if body.codec == codec
    )
    return tuple(found)


JSON_SEEDS: Final = (
    *_small("json"),
    b'{"model":"m","x":[[1,2],[3.5,null]],"return":["x"]}',
    b'{"z":[[-1e-5]],"seed":7}',
)
V2_SEEDS: Final = (
    *_small("v2"),
    b'{"inputs":[{"name":"x","shape":[2,2],"datatype":"INT64","data":[1,2,3,4]}]}',
    b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"INT64","data":[1.5,2]}]}',
    b'{"id":"1","inputs":[{"name":"x","shape":[2,2],"datatype":"FP64","data":[[1,2],[3,4]]}]}',
)
PACKED: Final = b"[1,2]," * 9

DECODERS: Final[Mapping[str, Decoder]] = {
    "json": Decoder(_codec("json"), JSON_SEEDS, JSON_UNITS, json_agrees),
    "ndjson": Decoder(_codec("ndjson"), (b"[1,2]\n[3,null]\n", b'{"x":[1]}\n{"x":[2]}'), LINE_UNITS, ndjson_agrees),
    "csv": Decoder(_codec("csv"), (b"a,b\n1,2\n,3\n", b'1,"2"\r\nNA,4\r\n'), CSV_UNITS, csv_agrees),
    "npy": Decoder(_codec("npy"), _small("npy"), BINARY_UNITS),
    "npz": Decoder(_codec("npz"), _small("npz"), BINARY_UNITS),
    "arrow": Decoder(_codec("arrow"), _small("arrow"), (*BINARY_UNITS, *SHARED_UNITS)),
    "v2 json": Decoder(lambda body: v2_request.decode(body, None, SIGNATURE, LIMITS), V2_SEEDS, JSON_UNITS),
    "v2 binary": Decoder(
        _v2_header,
        (
            b"98\n"
            b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}]}' + bytes(8),
            b"0\n" + bytes(16),
        ),
        (*BINARY_UNITS, *JSON_UNITS),
    ),
    "gzip": Decoder(lambda body: inflate(body, "gzip", INFLATE_LIMIT), (gzip.compress(PACKED, mtime=0),), BINARY_UNITS),
    "deflate": Decoder(lambda body: inflate(body, "deflate", INFLATE_LIMIT), (zlib.compress(PACKED),), BINARY_UNITS),
    "zip member": Decoder(
        lambda body: zip_member.unpack(zip_member.only_member(body, INFLATE_LIMIT)), _small("npz"), BINARY_UNITS
    ),
    "strict json": Decoder(_strict_json, JSON_SEEDS, JSON_UNITS),
    "query": Decoder(_query, (b"model=m&seed=7&return=x,log_prob&temperature=0.5",), (b"&", b"=", b"seed=1&", b"9")),
}


def outcome(decoder: Decoder, content: bytes) -> str:
    """`decoded` or `rejected`; any other exception passes through."""
    try:
        decoder.decode(content)
    except RequestError:
        return "rejected"
    return "decoded"
