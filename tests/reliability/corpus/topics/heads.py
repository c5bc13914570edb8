"""Heads: fields that are malformed, repeated, too many, too long, or carry what a parser may trust."""

from collections.abc import Iterator
from typing import Final

from tests.reliability.corpus.case import GOOD_BODY, JSON, Case, Ending, ended, get, head, named, post

TOPIC: Final = "heads"
REFUSED: Final = (400, 413, 431)
HOSTS: Final = (
    "", " ", "example.com", "127.0.0.1:80", "127.0.0.1:99999", "127.0.0.1:abc", "[::1]", "[::1", "::1", "a b", "a,b",
    "user@host", "http://example.com", "example.com/path", "example.com#x", "example.com?x", "%00", "a" * 5000, "..",
    "169.254.169.254", "localhost", "LOCALHOST", "127.1", "0x7f.1", "é.example", "\x7f",
)  # fmt: skip
VALUES: Final = {
    "Expect": ("100-continue", "200-ok", "100-continue, 100-continue", ""),
    "Connection": ("close", "keep-alive", "upgrade", "TE", "close, keep-alive", "content-length", "", "é"),
    "Upgrade": ("h2c", "websocket", "TLS/1.0", "HTTP/2.0"),
    "X-Request-Id": ("a" * 64, "a" * 65, "a b", "a\tb", "é", '{"a": 1}', "<script>", "%0d%0aX: y", "../../etc", "0"),
    "X-Request-Timeout-Ms": (
        "0", "-1", "1", "1.5", "1e3", "nan", "inf", "+1", " 5 ", "٣", "9" * 9, "9" * 10, "9" * 5000, "", "abc", "0x10",
    ),
    "Accept": (
        "", "*", "*/*;q=0", "text/html", "application/json;q=nan", "application/json;q=1e999", ",", "," * 3000,
        "a/b," * 2000, ";;;;", "application/*", "application/json, application/x-npy;q=0.9", "é/é", "application/x-ndjson",
    ),
    "Accept-Encoding": ("gzip", "br", "identity;q=0", "*;q=0", "gzip," * 2000),
    "Accept-Language": ("é", "a" * 5000),
    "Authorization": ("Basic", "Basic !!!!", "Bearer", "Bearer " + "a" * 5000, "Digest x=y", "\x80"),
    "Cookie": ("a=b; " * 500, "=", ";;;", "a" * 8000),
    "Range": ("bytes=0-0", "bytes=-1", "bytes=9-1", "bytes=0-" + "9" * 100, "bytes=" + "0-0," * 1000, "lines=0-1", "="),
    "If-None-Match": ('""', "*", '"' + "a" * 5000 + '"', "é"),
    "If-Modified-Since": ("yesterday", "Thu, 01 Jan 1970 00:00:00 GMT"),
    "Traceparent": ("00-" + "0" * 32 + "-" + "0" * 16 + "-00", "ff-x", "a" * 5000, "é"),
    "X-Forwarded-For": ("1.2.3.4", "::1, 2.2.2.2", "a" * 5000, "é"),
    "Forwarded": ("for=1.2.3.4", 'for="[::1]:80"', "é"),
    "X-Forwarded-Host": ("example.com",),
    "X-HTTP-Method-Override": ("DELETE", "PUT"),
    "Origin": ("null", "http://example.com", "é"),
    "Content-Length": ("0",),
    "Te": ("trailers", "gzip, trailers"),
    "Trailer": ("X-Y", "Content-Length"),
    "Sec-WebSocket-Key": ("x",),
    "Payload-Container": ("NumpyNdarray", "application/vnd.bentoml+pickle"),
}  # fmt: skip
SIZES: Final = (4000, 8000, 15_000, 17_000, 33_000, 66_000, 200_000)
COUNTS: Final = (50, 99, 120, 500, 2000)


def cases() -> Iterator[Case]:
    """All cases of this topic."""
    for code in (*range(33), 127, 128, 255):
        for part, line in (("name", f"X-{chr(code)}Y: z"), ("value", f"X-Y: a{chr(code)}z")):
            data = b"GET /livez HTTP/1.1\r\nHost: a\r\n" + line.encode("latin-1") + b"\r\n\r\n"
            yield Case(TOPIC, f"byte {code} in a {part}", (data,), Ending.HALF_CLOSE, most_answers=2)
    yield from ended(named(TOPIC, _lines()), Ending.HALF_CLOSE)
    yield from named(
        TOPIC, ((f"Host {host[:40]!r}", head("GET", "/livez", [("Host", host)], host=False)) for host in HOSTS)
    )
    for name, values in VALUES.items():
        for value in values:
            text = value.encode("utf-8").decode("latin-1")
            request = head(
                "POST", "/log_prob", [("Content-Type", JSON), ("Content-Length", str(len(GOOD_BODY))), (name, text)]
            )
            yield Case(TOPIC, f"{name} {value[:40]!r} ({len(value)})", (request + GOOD_BODY,), _ending(name))
            yield Case(
                TOPIC,
                f"GET with {name} {value[:40]!r} ({len(value)})",
                (get("/models", [(name, text)]),),
                _ending(name),
            )
    for size in SIZES:
        yield from _too_long(f"a value of {size} bytes", get("/livez", [("X-Y", "a" * size)]), size > 17_000)
        yield from _too_long(f"a name of {size} bytes", get("/livez", [("X" * size, "a")]), size > 17_000)
    for count in COUNTS:
        fields = [(f"X-{number}", "a") for number in range(count)]
        yield from _too_long(f"{count} fields", get("/livez", fields), count > 100)
        yield from _too_long(f"{count} fields of one name", get("/livez", [("X-Y", "a")] * count), count > 100)


def _ending(name: str) -> Ending:
    return Ending.HALF_CLOSE if name in {"Content-Length", "Expect", "Upgrade", "Connection"} else Ending.WAIT


def _too_long(name: str, request: bytes, is_refused: bool) -> Iterator[Case]:  # noqa: FBT001  (a fact of the table above)
    yield from named(TOPIC, [(name, request)], REFUSED if is_refused else ())


def _lines() -> Iterator[tuple[str, bytes]]:
    start = b"GET /livez HTTP/1.1\r\nHost: a\r\n"
    lines = {
        "no colon": b"X-Y", "an empty name": b": a", "a space before the colon": b"X-Y : a", "a leading space": b" X-Y: a",
        "a folded value": b"X-Y: a\r\n b", "a folded value with a tab": b"X-Y: a\r\n\tb", "no value": b"X-Y:",
        "a quote": b'X-"Y": a', "brackets": b"X(Y): a", "UTF-8": "X-é: é".encode(), "a bare line feed": b"X-Y: a\nX-Z: b",
        "a bare carriage return": b"X-Y: a\rX-Z: b", "two carriage returns": b"X-Y: a\r\r", "a NUL": b"X-Y: \x00",
        "two hosts": b"Host: b", "the same host twice": b"Host: a", "many colons": b"X-Y:::: a", "only spaces": b"   ",
    }  # fmt: skip
    for name, line in lines.items():
        yield f"a line with {name}", start + line + b"\r\n\r\n"
        yield f"POST, a line with {name}", post("/log_prob", GOOD_BODY).replace(b"\r\n", b"\r\n" + line + b"\r\n", 1)
    yield "no host", head("GET", "/livez", host=False)
    yield "no host in HTTP/1.0", head("GET", "/livez", version="HTTP/1.0", host=False)
    yield "only line feeds", b"GET /livez HTTP/1.1\nHost: a\n\n"
    yield "only carriage returns", b"GET /livez HTTP/1.1\rHost: a\r\r"
    yield "a head that does not end", b"GET /livez HTTP/1.1\r\nHost: a\r\n"
    yield "half a request line", b"GET /liv"
    yield "an empty line first", b"\r\n" + get("/livez")
    yield "a megabyte of head", b"GET /livez HTTP/1.1\r\n" + b"X-Y: a\r\n" * 130_000
