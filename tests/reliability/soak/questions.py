"""The requests of the soak, each with the check of its answer: all operations and formats, computed again by hand."""

import io
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tests.given.flows import affine
from tests.reliability.corpus.case import JSON, post

Values = npt.NDArray[np.float64]
Check = Callable[[bytes], bool]

STABLE: Final = "stable"
# A new version of this model replaces the last one again and again; version v is shifted by v.
MOVING: Final = "moving"
SIZES: Final = (*[1] * 30, 7, 300, 1000)
# A float32 of this size, and the sum that the density is.
RELATIVE: Final = 1e-5
ABSOLUTE: Final = 1e-4
FORMATS: Final = ("json", "npy", "npz", "csv", "ndjson", "arrow")
MEDIA_TYPES: Final = {
    "npy": "application/x-npy",
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "arrow": "application/vnd.apache.arrow.stream",
}
COLUMNS: Final = ("height", "weight")


@dataclass(frozen=True, slots=True)
class Question:
    """One request and the check of its answer."""

    name: str
    request: bytes
    check: Check
    status: int = 200


def questions(rng: random.Random) -> list[Question]:
    """Requests of every operation, format and size, in a random order."""
    found = [
        *_log_prob(rng),
        *_other_formats(rng),
        *_transforms(rng),
        *_samples(rng),
        *_protocol(rng),
        *_moving(rng),
    ]
    rng.shuffle(found)
    return found


def malformed() -> list[Question]:
    """Requests with an error, each with the status that it gets."""
    return [
        Question("no JSON", post("/log_prob", b'{"x": [[1, 2'), _is_problem, 400),
        Question("a ragged row", post("/log_prob", b'{"model": "stable", "x": [[1, 2], [3]]}'), _is_problem, 422),
        Question("an unknown model", post("/log_prob", b'{"model": "absent", "x": [[1, 2]]}'), _is_problem, 404),
        Question("no npy", post("/log_prob?model=stable", b"\x93NUMPY", MEDIA_TYPES["npy"]), _is_problem, 400),
        Question("a wrong tensor", post("/v2/models/stable/infer", b'{"inputs": [{}]}'), _is_problem, 400),
        Question("another media type", post("/log_prob", b"x", "text/plain"), _is_problem, 415),
    ]


def close(found: npt.ArrayLike, expected: npt.ArrayLike) -> bool:
    """Whether numbers agree within the tolerance of float32."""
    values = np.asarray(found, np.float64)
    return values.shape == np.shape(expected) and np.allclose(values, expected, rtol=RELATIVE, atol=ABSOLUTE)


def _rows(rng: random.Random, count: int) -> Values:
    # Numbers that float32 holds exactly, so that every format sends the same rows.
    return np.array([[rng.randrange(-4000, 4000) / 512 for _ in COLUMNS] for _ in range(count)])


def _log_prob(rng: random.Random) -> Iterator[Question]:
    for size in SIZES:
        rows = _rows(rng, size)
        expected = affine.log_prob(rows)
        body = json.dumps({"model": STABLE, "x": rows.tolist()}).encode()
        yield Question(f"log_prob of {size}", post("/log_prob", body), _member("log_prob", expected))


def _other_formats(rng: random.Random) -> Iterator[Question]:
    for media_type, body, rows in (found for size in (1, 7, 300) for found in _bodies(_rows(rng, size))):
        expected = affine.log_prob(rows)
        target = f"/log_prob?model={STABLE}&format=json"
        yield Question(f"{media_type} to JSON", post(target, body, media_type), _member("log_prob", expected))
    for size in (1, 300):
        rows = _rows(rng, size)
        body = json.dumps({"model": STABLE, "x": rows.tolist()}).encode()
        for name in FORMATS[1:]:
            check = _decoded(name, affine.log_prob(rows))
            yield Question(f"JSON to {name}", post(f"/log_prob?format={name}", body), check)


def _bodies(rows: Values) -> Iterator[tuple[str, bytes, Values]]:
    buffer = io.BytesIO()
    np.save(buffer, rows.astype(np.float32))
    yield MEDIA_TYPES["npy"], buffer.getvalue(), rows
    lines = "".join(",".join(map(repr, row)) + "\n" for row in rows.tolist())
    yield MEDIA_TYPES["csv"], f"{','.join(COLUMNS)}\n{lines}".encode(), rows
    yield MEDIA_TYPES["ndjson"], "".join(json.dumps(row) + "\n" for row in rows.tolist()).encode(), rows
    table = pa.table({name: pa.array(column) for name, column in zip(COLUMNS, rows.T, strict=True)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    yield MEDIA_TYPES["arrow"], bytes(sink.getvalue()), rows


def _transforms(rng: random.Random) -> Iterator[Question]:
    for size in (1, 1, 1, 7, 1000):
        rows = _rows(rng, size)
        for direction, name, other, expected in (
            ("forward", "x", "z", affine.forward(rows)),
            ("inverse", "z", "x", affine.inverse(rows)),
        ):
            body = json.dumps({"model": STABLE, "direction": direction, name: rows.tolist()}).encode()
            yield Question(f"{direction} of {size}", post("/transform", body), _member(other, expected))


def _samples(rng: random.Random) -> Iterator[Question]:
    for size in (1, 1, 100, 1000):
        body = json.dumps(
            {"model": STABLE, "num_samples": size, "seed": rng.randrange(2**40), "return": ["x", "z", "log_prob"]}
        ).encode()
        yield Question(f"sample of {size}", post("/sample", body), _consistent_sample)


def _protocol(rng: random.Random) -> Iterator[Question]:
    for size in (1, 1, 1, 50):
        rows = _rows(rng, size)
        tensor = {"name": "x", "shape": [size, 2], "datatype": "FP32", "data": rows.ravel().tolist()}
        body = json.dumps({"inputs": [tensor]}).encode()
        expected = affine.log_prob(rows)
        yield Question(f"v2 of {size}", post(f"/v2/models/{STABLE}/infer", body), _output(expected))


def _moving(rng: random.Random) -> Iterator[Question]:
    for size in (1, 1, 1, 1, 20):
        rows = _rows(rng, size)
        body = json.dumps({"model": MOVING, "x": rows.tolist()}).encode()
        yield Question(f"moving, {size}", post("/log_prob", body, JSON), _of_its_version(rows))


def _member(name: str, expected: Values) -> Check:
    return lambda body: close(json.loads(body)[name], expected)


def _output(expected: Values) -> Check:
    return lambda body: close(json.loads(body)["outputs"][0]["data"], expected)


def _of_its_version(rows: Values) -> Check:
    def check(body: bytes) -> bool:
        answer = json.loads(body)
        return close(answer["log_prob"], affine.log_prob(rows - answer["version"]))

    return check


def _consistent_sample(body: bytes) -> bool:
    answer = json.loads(body)
    x = np.array(answer["x"])
    return close(answer["z"], affine.forward(x)) and close(answer["log_prob"], affine.log_prob(x))


def _decoded(name: str, expected: Values) -> Check:
    def check(body: bytes) -> bool:
        if name == "npy":
            return close(np.load(io.BytesIO(body)), expected)
        if name == "npz":
            return close(np.load(io.BytesIO(body))["log_prob"], expected)
        if name == "csv":
            return close([float(line) for line in body.decode().split()[1:]], expected)
        if name == "ndjson":
            return close([json.loads(line)["log_prob"] for line in body.splitlines()], expected)
        return close(pa.ipc.open_stream(body).read_all()["log_prob"].to_pylist(), expected)

    return check


def _is_problem(body: bytes) -> bool:
    return bool({"detail", "error"} & json.loads(body).keys())
