"""Parameters: numbers out of range or of another type, repeated and unknown names, in the body and in the query."""

import json
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

from tests.reliability.corpus.case import Case, Ending, get, head, named, post

TOPIC: Final = "parameters"
NAMES: Final = ("num_samples", "seed", "start", "temperature", "version")
JSON_VALUES: Final = (
    "0", "-1", "1.5", "1e3", "1e999", "NaN", "true", "null", '"5"', '"nan"', "[]", "[5]", "{}", str(2**31), str(2**53 + 1),
    str(2**63), str(2**64), "9" * 5000, "1e18", "-0", "-0.0", "1e-300",
)  # fmt: skip
QUERY_VALUES: Final = (
    "", "0", "-1", "+1", "1.5", "1e3", "nan", "inf", "-inf", "true", "null", "%00", "%20", "1%20", "٣", "0x10", "1_000",
    "9" * 40, "9" * 4000, "[1]", "{}", "1,2", "1;2", "%F0", "1%0a", "'1'", '"1"', "None", "01", "1e-400",
)  # fmt: skip
RETURNS: Final = (
    "[]", '["x","x"]', '["y"]', '"x"', "[null]", "[1]", "{}", "[[]]", "null", '["x",null]', '["' + "x" * 5000 + '"]',
    "[" + ",".join(['"x"'] * 5000) + "]",
)  # fmt: skip
FORMATS: Final = (
    "json",
    "npy",
    "npz",
    "csv",
    "ndjson",
    "arrow",
    "",
    "JSON",
    "pickle",
    "pt",
    "xml",
    "%00",
    "../json",
    "a" * 3000,
)
QUERIES: Final = (
    "&", "=", "a", "a=1", "num_samples=1&num_samples=2", "num_samples=1;seed=2", "&&&&", "num_samples", "=1", "%",
    "&".join(f"a{number}=1" for number in range(64)), "&".join(f"a{number}=1" for number in range(1000)), "a=" + "b" * 5000,
    "num_samples[]=1", "num_samples[$gt]=1", "seed=1&SEED=2", "model=affine2d&version=1&seed=1", "model=", "model=%2e%2e",
    "model=affine2d%00", "model=" + "a" * 5000, "format=npy&format=csv", "return=x,z", "return=x&return=z", "return=",
    "callback=alert", "é=é", "%ff=%ff", "?seed=1", "#seed=1",
)  # fmt: skip


def cases() -> Iterator[Case]:
    """All cases of this topic."""
    for name in NAMES:
        for value in JSON_VALUES:
            yield from named(
                TOPIC, [(f"{name} {value[:30]} in the body", post("/sample", f'{{"{name}":{value}}}'.encode()))]
            )
        for value in QUERY_VALUES:
            target = f"/sample?{name}={quote(value, safe='%[]{},;')}"
            yield from named(TOPIC, [(f"{name} {value[:30]!r} ({len(value)}) in the query", post(target, b"", None))])
    for value in RETURNS:
        for target, rest in (("/sample", ""), ("/transform", ',"direction":"inverse","z":[[1,2]]')):
            yield from named(
                TOPIC, [(f"return {value[:30]} to {target}", post(target, f'{{"return":{value}{rest}}}'.encode()))]
            )
    for name in FORMATS:
        yield from named(TOPIC, [(f"format {name[:30]}", post(f"/sample?format={name}", b"", None))])
        yield from named(
            TOPIC, [(f"format {name[:30]} of log_prob", post(f"/log_prob?format={name}", b'{"x":[[1,2]]}'))]
        )
    for query in QUERIES:
        text = query.encode().decode("latin-1")
        for target in ("/sample", "/models", "/v2/models/affine2d"):
            data = head("POST" if target == "/sample" else "GET", f"{target}?{text}")
            yield Case(TOPIC, f"query {query[:30]!r} ({len(query)}) of {target}", (data,), Ending.HALF_CLOSE)
    yield from _others()


def _others() -> Iterator[Case]:
    for directions in ("forward", "inverse", "Forward", "", "both", 1, None, [], ["forward"], {"a": 1}, "x" * 5000):
        body = json.dumps({"direction": directions, "x": [[1, 2]]}).encode()
        yield from named(
            TOPIC, [(f"direction {str(directions)[:20]!r} {type(directions).__name__}", post("/transform", body))]
        )
    for name in ("start", "seed"):
        top = json.dumps({name: 2**63 - 2, "num_samples": 3}).encode()
        yield from named(TOPIC, [(f"{name} at its end", post("/sample", top))])
    yield from named(TOPIC, [("a query to a JSON body", post("/log_prob?seed=1", b'{"x":[[1,2]]}'))], [422])
    yield from named(TOPIC, [("parameters of GET", get("/log_prob?x=1"))], [405])
