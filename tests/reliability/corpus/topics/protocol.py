"""Requests of the Open Inference Protocol below /v2: tensors that disagree with themselves, bytes that are not there."""

import gzip
import json
import random
import struct
import zlib
from collections.abc import Iterator
from typing import Final

from tests.reliability.corpus.case import JSON, Case, named, post

TOPIC: Final = "v2"
INFER: Final = "/v2/models/affine2d/infer"
SAMPLE: Final = "/v2/models/affine2d.sample/infer"
TENSOR: Final[dict[str, object]] = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [0.3, -0.4]}
CHANGES: Final[dict[str, tuple[object, ...]]] = {
    "name": (None, "", "y", 1, [], {}, "X", "x\x00", "x" * 5000, "../x", True),
    "shape": (
        None, [], [2], [1, 2, 1], [2, 1], [0, 2], [-1, 2], [1, -2], [2**31, 2], [2**62, 4], [2**63, 2], [2**64, 2], [1.0, 2],
        [1.5, 2], ["1", 2], [True, 2], "1,2", 2, {}, [[1, 2]], [None, 2], [1, 10**6], [10**9, 2], [1] * 5000, [10**400, 2],
    ),
    "datatype": (None, "", "FP16", "FP64", "INT8", "INT64", "BOOL", "BYTES", "fp32", 32, [], "BF16", "x" * 5000, "FP32\x00", "<f4"),
    "data": (
        None, [], [0.3], [0.3, -0.4, 1], [[0.3, -0.4]], [[[0.3]], -0.4], "AAAA", {}, 1, [None, 1], ["a", "b"], [True, False],
        [[0.3], [-0.4]], [1e999, 1], [10**400, 1], [[]], [[0.3, -0.4], [1]], [0.3, [-0.4]], [{}, {}],
    ),
    "parameters": (
        {}, None, [], {"binary_data_size": 8}, {"binary_data_size": 0}, {"binary_data_size": -1}, {"binary_data_size": 2**63},
        {"binary_data_size": "8"}, {"binary_data_size": 8.0}, {"binary_data_size": True}, {"shared_memory_region": "a"},
        {"shared_memory_byte_size": 8, "shared_memory_region": "/etc/passwd"}, {"unknown": 1}, {"binary_data_size": None},
    ),
}  # fmt: skip
DOCUMENTS: Final = (
    "", "{}", "[]", "null", "1", '{"inputs":null}', '{"inputs":{}}', '{"inputs":[]}', '{"inputs":[null]}', '{"inputs":[[]]}', '{"inputs":"x"}',
    '{"inputs":[{}]}', '{"inputs":[{}],"inputs":[{}]}', '{"id":1,"inputs":[]}', '{"id":"' + "a" * 50_000 + '","inputs":[]}', '{"id":"\\ud800","inputs":[]}',
    '{"inputs":' + "[" * 2000, "{" * 2000, '{"outputs":[{"name":"log_prob"}]}', '{"inputs":[' + "{}," * 5000 + "{}]}",
)  # fmt: skip
OUTPUTS: Final[tuple[object, ...]] = (
    None, [], {}, "log_prob", [{}], [{"name": "y"}], [{"name": None}], [{"name": "log_prob"}] * 2, [{"name": "log_prob", "parameters": {"classification": 3}}],
    [{"name": "log_prob", "parameters": {"binary_data": "true"}}], [{"name": "log_prob", "parameters": {"binary_data": 1}}], [1], [[]],
    [{"name": "log_prob", "parameters": {"shared_memory_region": "a"}}], [{"name": "log_prob", "extra": 1}], [{"name": "x" * 5000}],
)  # fmt: skip
PARAMETERS: Final[tuple[object, ...]] = (
    None, [], "a", {"binary_data_output": "a"}, {"sequence_id": 1}, {"priority": 1}, {"timeout": -1}, {"timeout": 10**30}, {"unknown": 1},
    {"a" * 5000: 1}, {"seed": -1}, {"seed": 1.5}, {"temperature": 0}, {"on_invalid": "x"}, {"return": []},
)  # fmt: skip
LENGTHS: Final = ("", "0", "-1", "5", "1e1", "9" * 10, "9" * 5000, "+5", "abc", "0x10", "٣", " 5")
MUTATIONS: Final = 120
SEED: Final = 14


def cases() -> Iterator[Case]:
    """All cases of this topic."""
    good = json.dumps({"inputs": [TENSOR]}).encode()
    yield from named(TOPIC, [("a good request", post(INFER, good))], [200])
    for field, values in CHANGES.items():
        for index, value in enumerate(values):
            changed = TENSOR | {field: value}
            yield from _request(f"{field} {index}: {str(value)[:40]}", {"inputs": [changed]})
    for index, document in enumerate(DOCUMENTS):
        yield from named(
            TOPIC,
            [
                (f"document {index}", post(INFER, document.encode())),
                (f"document {index} to sample", post(SAMPLE, document.encode())),
            ],
        )
    for index, outputs in enumerate(OUTPUTS):
        yield from _request(f"outputs {index}", {"inputs": [TENSOR], "outputs": outputs})
    yield from _samples()
    yield from _request("the same input twice", {"inputs": [TENSOR, TENSOR]})
    yield from _request("an unknown field", {"inputs": [TENSOR], "extra": 1})
    yield from _bytes()
    for name, body, encoding in _packed(good):
        data = post(INFER, body, JSON, [("Content-Encoding", encoding)])
        yield from named(TOPIC, [(f"packed: {name}", data)])
    yield from _mutations(good)
    yield from _repository()


def _samples() -> Iterator[Case]:
    for index, parameters in enumerate(PARAMETERS):
        yield from _request(f"parameters {index}", {"inputs": [TENSOR], "parameters": parameters})
        tensor: dict[str, object] = {"name": "num_samples", "shape": [1], "datatype": "INT64", "data": [2]}
        text = json.dumps({"inputs": [tensor], "parameters": parameters}).encode()
        yield from named(TOPIC, [(f"parameters {index} of sample", post(SAMPLE, text))])
    for count in (0, -1, 2**63 - 1, 2**63, 1.5, True, None, "2", 10**400):
        tensor = {"name": "num_samples", "shape": [1], "datatype": "INT64", "data": [count]}
        yield from named(
            TOPIC, [(f"num_samples {str(count)[:20]!r}", post(SAMPLE, json.dumps({"inputs": [tensor]}).encode()))]
        )


def _mutations(good: bytes) -> Iterator[Case]:
    rng = random.Random(SEED)
    for number in range(MUTATIONS):
        changed_text = bytearray(good)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(changed_text))
            changed_text[at : at + rng.randrange(3)] = rng.choice(
                (b"[", b"]", b"{", b'"', b"9", b"\xff", b"null", b",", b"e9", b"")
            )
        yield from named(TOPIC, [(f"mutation {number}", post(INFER, bytes(changed_text)))])


def _repository() -> Iterator[Case]:
    for path in (
        "/v2/repository/index",
        "/v2/repository/models/affine2d/load",
        "/v2/repository/models/..%2f..%2fetc/unload",
    ):
        for text in (
            "",
            "{}",
            "[]",
            '{"ready":1}',
            '{"ready":"a"}',
            "{" * 2000,
            '{"parameters":{"config":"file:///etc/passwd"}}',
        ):
            yield from named(TOPIC, [(f"{text[:20]!r} to {path}", post(path, text.encode()))])


def _request(name: str, document: dict[str, object]) -> Iterator[Case]:
    yield from named(TOPIC, [(name, post(INFER, json.dumps(document).encode()))])


def _bytes() -> Iterator[Case]:
    rows = struct.pack("<2f", 0.3, -0.4)
    whole = {key: value for key, value in TENSOR.items() if key != "data"} | {"parameters": {"binary_data_size": 8}}
    text = json.dumps({"inputs": [whole]}).encode()
    for index, tail in enumerate((b"", rows[:7], rows, rows + b"\x00", rows * 1000)):
        data = post(
            INFER, text + tail, "application/octet-stream", [("Inference-Header-Content-Length", str(len(text)))]
        )
        yield from named(TOPIC, [(f"tail {index}", data)])
    for length in LENGTHS:
        header = [("Inference-Header-Content-Length", length.encode().decode("latin-1"))]
        yield from named(
            TOPIC, [(f"Inference-Header-Content-Length {length[:20]!r}", post(INFER, text + rows, JSON, header))]
        )
    for size in (1, 7, 9, 10_000):
        data = post(INFER, bytes(size), "application/octet-stream", [("Inference-Header-Content-Length", "0")])
        yield from named(TOPIC, [(f"{size} raw bytes", data)])


def _packed(good: bytes) -> Iterator[tuple[str, bytes, str]]:
    whole = gzip.compress(good)
    for encoding in ("gzip", "deflate"):
        yield f"gzip as {encoding}", whole, encoding
        yield f"zlib as {encoding}", zlib.compress(good), encoding
        yield f"raw deflate as {encoding}", zlib.compress(good)[2:-4], encoding
        yield f"text as {encoding}", good, encoding
        yield f"nothing as {encoding}", b"", encoding
        yield (
            f"a bomb as {encoding}",
            (gzip.compress if encoding == "gzip" else zlib.compress)(b" " * 3_000_000 + good),
            encoding,
        )
        yield f"half as {encoding}", whole[: len(whole) // 2], encoding
        yield f"two members as {encoding}", whole * 2, encoding
        yield f"rest after {encoding}", whole + b"abc", encoding
        yield f"a wrong checksum as {encoding}", whole[:-8] + bytes(8), encoding
    for encoding in ("br", "gzip, gzip", "gzip, deflate", "", "GZIP", "x-gzip", "identity"):
        yield f"gzip as {encoding!r}", whole, encoding
