"""JSON bodies: documents that parsers read differently, that are deep, long or of the wrong type."""

import json
from collections.abc import Iterator
from typing import Final

from tests.reliability.corpus.case import GOOD_BODY, JSON, Case, named, post

TOPIC: Final = "JSON"
OPERATIONS: Final = ("/log_prob", "/transform", "/sample")
NUMBERS: Final = (
    "NaN", "Infinity", "-Infinity", "nan", "1e999", "-1e999", "1e-999", "1e400000", "1" * 5000, "0." + "1" * 5000, "01",
    "+1", ".5", "5.", "1e", "1e+", "0x10", "1_000", "-", "--1", "1-1", "٣", "true", "false", "null", '"1"', '"nan"', "[]",
    "[1]", "{}", "-0", "-0.0", "1E5", "1e5", "4e38", "1e308", "1e309", "9007199254740993", "18446744073709551616",
    "-9223372036854775809", "1" * 400, "1e-400", "0.1e1", "0e0", "0e999999", "'1'", "undefined", "1,", ",1", "1 2", "\x001",
)  # fmt: skip
ROWS: Final = (
    "[]", "[[]]", "[[1]]", "[[1,2,3]]", "[[1,2],[3]]", "[[1,2],[3,4,5]]", "[1,2]", "[[[1,2]]]", "[[1,2],null]", "[null]",
    "[[null,null]]", '"[[1,2]]"', "{}", "null", "true", "1", '"AAAA"', "[[1,2],]", "[[1,2]", "[[1,2]]]", "[,[1,2]]",
    "[[1,2]][", "[[1 2]]", "[{}]", '[["a","b"]]', "[[1,2],{}]", '{"0":[1,2]}', "[[1,2],[]]", "[" * 2000, "[" * 100_000,
    "[" * 500 + "]" * 500, "[[" + "1," * 5000 + "1]]", "[" + "[]," * 5000 + "[]]", "[" + "null," * 5000 + "null]",
    "[[1,2],[1e999,NaN]]", '{"a":' * 2000,
)  # fmt: skip
DOCUMENTS: Final = (
    "", " ", "null", "true", "1", '"x"', "[]", "[[1,2]]", "{}", "{", "}", "{{}}", '{"x"}', '{"x":}', '{"x":[[1,2]]',
    '{"x":[[1,2]]}}', '{"x":[[1,2]]} {"x":[[1,2]]}', '{"x":[[1,2]]}\x00', '{"x":[[1,2]],}', '{"x":[[1,2]],"x":[[3,4]]}',
    '{"x":[[1,2]],"z":[[3,4]]}', "{'x':[[1,2]]}", "{x:[[1,2]]}", '{"x":[[1,2]] /* a */}', '// a\n{"x":[[1,2]]}',
    '{"X":[[1,2]]}', '{"\\u0078":[[1,2]]}', '{"x\\u0000":[[1,2]]}', '{"":[[1,2]]}', '{"__proto__":{},"x":[[1,2]]}',
    '{"x":[[1,2]],"__class__":"a"}', '{"$ref":"http://127.0.0.1/"}', '{"x":"http://169.254.169.254/"}',
    '{"x":[[1,2]],"model":"http://127.0.0.1:1/"}', '{"x":[[1,2]],"model":"../../etc/passwd"}',
    '{"x":[[1,2]],"model":"\\ud800"}', '{"x":[[1,2]],"model":"\\u0000"}', '{"x":[[1,2]],"\\ud800":1}',
    '{"x":[[1,2]],"a":"\\x41"}', '{"x":[[1,2]],"a":"\n"}', '{"x":[[1,2]],"a":"\\"}', '{"x":[[1,2]],"a":"' + "a" * 50_000 + '"}',
    '{"x":[[1,2]],"' + "a" * 50_000 + '":1}', '{"x":[[1,2]],"a":' + "1" * 10_000 + "}", "{" + '"a":1,' * 5000 + '"b":1}',
    "{" + ",".join(f'"{number}":1' for number in range(5000)) + "}", '{"a":' * 1500 + "1" + "}" * 1500, "\ufeff" + '{"x":[[1,2]]}',
    '{"instances":[[1,2]]}', '{"inputs":[]}', '{"x":[[1,2]],"version":1e999}', '{"x":[[1,2]],"version":"1"}',
    '{"x":[[1,2]],"version":1.0}', '{"x":[[1,2]],"version":true}', '{"x":[[1,2]],"version":-1}', '{"x":[[1,2]],"version":[1]}',
    '{"x":[[1,2]],"precision":{}}', '{"x":[[1,2]],"on_invalid":"drop"}', '{"x":[[1,2]],"on_invalid":[]}',
    '{"x":[[1,2]],"on_invalid":"error","a":1}', '{"x":[[1,null]],"on_invalid":"error"}',
)  # fmt: skip
CHARSETS: Final = ("utf-16", "utf-16-le", "utf-32", "utf-7", "utf-8-sig", "cp037")


def cases() -> Iterator[Case]:
    """All cases of this topic."""
    for number in NUMBERS:
        text = f'{{"x":[[0.3,{number}]]}}'
        yield from named(TOPIC, [(f"a number {number[:30]!r} ({len(number)})", post("/log_prob", text.encode()))])
    for rows in ROWS:
        for operation in ("log_prob", "transform"):
            text = f'{{"x":{rows}' + (',"direction":"forward"}' if operation == "transform" else "}")
            yield from named(
                TOPIC, [(f"rows {rows[:30]!r} ({len(rows)}) to {operation}", post(f"/{operation}", text.encode()))]
            )
    for operation in OPERATIONS:
        for index, document in enumerate(DOCUMENTS):
            data = post(operation, document.encode())
            yield from named(TOPIC, [(f"document {index} to {operation}: {document[:30]!r}", data)])
    for charset in CHARSETS:
        body = GOOD_BODY.decode().encode(charset)
        yield from named(
            TOPIC,
            [
                (f"in {charset}", post("/log_prob", body)),
                (f"named {charset}", post("/log_prob", body, f"{JSON}; charset={charset}")),
            ],
        )
    for index, invalid in enumerate((b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80", b"\xe2\x82")):
        yield from named(
            TOPIC, [(f"invalid UTF-8 {index}", post("/log_prob", b'{"x":[[1,2]],"a":"' + invalid + b'"}'))]
        )
    many = json.dumps({"x": [[0.1, 0.2]] * 2000}).encode()
    for name, body in {
        "a late null": many.replace(b"0.2]]}", b"null]]}"),
        "a late text": many.replace(b"0.2]]}", b'"a"]]}'),
        "a late long row": many.replace(b"0.2]]}", b"0.2, 3]]}"),
        "a late NaN": many.replace(b"0.2]]}", b"NaN]]}"),
        "a late end": many[:-5],
        "a late NUL": many[:-1] + b"\x00}",
    }.items():
        yield from named(TOPIC, [(f"2000 rows and {name}", post("/log_prob", body))])
