"""Request lines: methods, targets and versions that no client should send."""

from collections.abc import Iterator
from typing import Final

from tests.reliability.corpus.case import GOOD_BODY, Case, Ending, ended, get, head, named, post

TOPIC: Final = "request line"
METHODS: Final = (
    "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "PURGE", "get", "G",
    "GETX", "M-SEARCH", "PRI", "BREW", "LINK", "SOURCE", "G" * 300, "\x00", "G\x00T", "é", "(GET)", "1",
)  # fmt: skip
TARGETS: Final = (
    "/", "//", "///livez", "/livez/", "/livez//", "/./livez", "/../livez", "*", "livez", "?", "/?", "/#", "/livez#a",
    "http://127.0.0.1/livez", "http://example.com/livez", "http://user:pw@example.com/livez", "https://[::1]/livez",
    "file:///etc/passwd", "127.0.0.1:80", "//example.com/log_prob/", "/\\example.com", "/%", "/%0", "/%zz", "/%00",
    "/livez%20", "/livez%0d%0aX:%20y", "/livez;a=b", "/" + "a" * 4000, "/" + "a" * 20_000, "/" + "a" * 70_000,
    "/" + "%41" * 5000, "/" + "/" * 5000, "/livez?" + "a=b&" * 2000, "/livez?" + "&" * 10_000, "/log_prob/", "/docs/..",
)  # fmt: skip
VERSIONS: Final = (
    "HTTP/0.9", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/3", "HTTP/1.1 ", " HTTP/1.1", "http/1.1", "HTTP/11", "HTTP/1",
    "HTTP/1.1.1", "HTTP/-1.1", "HTTP/1.1x", "HTTP/9.9", "HTTPS/1.1", "ICE/1.0", "RTSP/1.0", "", "HTTP/", "HTTP",
    "HTTP/1.\x00", "XTTP/1.1",
)  # fmt: skip
NOT_HTTP: Final = {
    "TLS hello": bytes.fromhex("160301020001fc0303") + bytes(120),
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
    "SMTP": b"EHLO example.com\r\n",
    "redis": b"*1\r\n$4\r\nPING\r\n",
    "PROXY protocol": b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n" + get("/livez"),
    "PROXY protocol 2": b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12),
    "zeros": bytes(2000),
    "ones": b"\xff" * 2000,
    "text": b"hello\r\n\r\n",
    "empty lines": b"\r\n" * 2000,
    "line feeds": b"\n" * 2000,
    "carriage returns": b"\r" * 2000,
    "spaces": b" " * 2000,
    "an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "a body alone": GOOD_BODY + b"\r\n\r\n",
    "a byte order mark": b"\xef\xbb\xbf" + get("/livez"),
    "UTF-16": get("/livez").decode().encode("utf-16"),
    "no target": b"GET\r\n\r\n",
    "only a method": b"GET \r\n\r\n",
    "a colon": b":\r\n\r\n",
}


def cases() -> Iterator[Case]:
    """All cases of this topic."""
    yield from _methods()
    yield from ended(
        named(TOPIC, ((f"target {name[:40]} ({len(name)})", get(name)) for name in TARGETS)), Ending.HALF_CLOSE
    )
    yield from ended(
        named(TOPIC, ((f"POST to target {name[:40]} ({len(name)})", post(name, GOOD_BODY)) for name in TARGETS)),
        Ending.HALF_CLOSE,
    )
    versions = ((f"version {name!r}", head("GET", "/livez", version=name)) for name in VERSIONS)
    yield from ended(named(TOPIC, versions), Ending.HALF_CLOSE)
    yield from ended(named(TOPIC, NOT_HTTP.items()), Ending.HALF_CLOSE)
    for code in (*range(33), 127, 128, 160, 255):
        target = f"/li{chr(code)}vez"
        yield from ended(named(TOPIC, [(f"byte {code} in the target", get(target))]), Ending.HALF_CLOSE)


def _methods() -> Iterator[Case]:
    for method in METHODS:
        for target in ("/log_prob", "/livez", "/v2"):
            name = f"method {method[:10]!r} {target}"
            ending = Ending.WAIT if method in {"GET", "POST", "PUT", "DELETE"} else Ending.HALF_CLOSE
            yield Case(TOPIC, name, (head(method, target),), ending, no_body=method == "HEAD")
