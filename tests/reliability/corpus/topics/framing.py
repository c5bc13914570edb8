"""Framing: Content-Length and Transfer-Encoding that disagree, request smuggling, and chunked bodies."""

from collections.abc import Iterator
from typing import Final

from tests.reliability.corpus.case import GOOD_BODY, JSON, Case, Ending, get, head, named, post

TOPIC: Final = "framing"
CHUNKED: Final = ("Transfer-Encoding", "chunked")
MEDIA: Final = ("Content-Type", JSON)
SMUGGLED: Final = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
LENGTHS: Final = (
    "", " ", "-1", "+5", "0x10", "5.0", "1e1", "5 5", "5,5", "5, 6", "five", "٣", "00005", "0" * 5000, "9" * 18, "9" * 19,
    "9" * 20, "9" * 5000, str(2**31), str(2**32), str(2**32 + 5), str(2**63 - 1), str(2**63), str(2**64), str(2**64 + 5),
    "5;a", "\t5", "5\t", "5\x00", "NaN", "null", "67108864", "67108865",
)  # fmt: skip
ENCODINGS: Final = (
    "chunked", "Chunked", "CHUNKED", "chunked ", " chunked", "\tchunked", "chunked\t", "chunked, chunked",
    "chunked, identity", "identity, chunked", "identity", "gzip, chunked", "chunked, gzip", "gzip", "deflate", "compress",
    "xchunked", "chunkedx", "chunked;a=b", "x", "", ",", "chunked,", ",chunked", '"chunked"', "chun\x00ked", "é",
    "chunked\x0b", "a" * 5000,
)  # fmt: skip
SIZES: Final = (
    "", " ", "g", "-1", "+5", "0x5", "5 ", " 5", "5\t", "5;", "5;a", "5;a=b", '5;a="b\r\n"', "5;" + "a" * 3000,
    "5;" + "a" * 100_000, "00000005", "0" * 100 + "5", "5_", "٣", "5.0", "5\x00", "ffffffff", "fffffffff",
    "7fffffffffffffff", "8000000000000000", "ffffffffffffffff", "10000000000000005", "f" * 17, "f" * 1000, "5\r", "5\n",
    "5;\n", "-0", "1e1",
)  # fmt: skip


def cases() -> Iterator[Case]:
    """All cases of this topic."""
    yield from _lengths()
    yield from _encodings()
    yield from _chunks()
    yield from _smuggling()


def _lengths() -> Iterator[Case]:
    for text in LENGTHS:
        value = text.encode().decode("latin-1")
        for method, target in (("POST", "/log_prob"), ("GET", "/livez"), ("POST", "/v2/models/affine2d/infer")):
            data = head(method, target, [MEDIA, ("Content-Length", value)]) + GOOD_BODY[:5]
            yield Case(
                TOPIC, f"Content-Length {text[:30]!r} of {method} {target}", (data,), Ending.HALF_CLOSE, most_answers=2
            )


def _encodings() -> Iterator[Case]:
    body = chunks(GOOD_BODY)
    for text in ENCODINGS:
        value = text.encode().decode("latin-1")
        for version in ("HTTP/1.1", "HTTP/1.0"):
            data = head("POST", "/log_prob", [MEDIA, ("Transfer-Encoding", value)], version=version) + body
            yield Case(
                TOPIC, f"Transfer-Encoding {text[:30]!r} in {version}", (data,), Ending.HALF_CLOSE, most_answers=2
            )
        both = head("POST", "/log_prob", [MEDIA, ("Content-Length", "5"), ("Transfer-Encoding", value)]) + body
        yield Case(TOPIC, f"Content-Length and {text[:30]!r}", (both,), Ending.HALF_CLOSE, most_answers=2)


def _chunks() -> Iterator[Case]:
    start = head("POST", "/log_prob", [MEDIA, CHUNKED])
    for size in SIZES:
        text = size.encode()
        yield Case(
            TOPIC,
            f"chunk size {size[:30]!r} ({len(size)})",
            (start + text + b"\r\n" + b"[[1,2" + b"\r\n0\r\n\r\n",),
            Ending.HALF_CLOSE,
        )
    bodies = {
        "one byte a chunk": b"".join(b"1\r\n%c\r\n" % byte for byte in GOOD_BODY) + b"0\r\n\r\n",
        "ten thousand chunks of a byte": b"1\r\n \r\n" * 10_000 + chunks(GOOD_BODY),
        "an extension on every chunk": b"".join(b"1;a=b\r\n%c\r\n" % byte for byte in GOOD_BODY) + b"0\r\n\r\n",
        "extensions of a megabyte": (b"1;" + b"a" * 10_000 + b"\r\n \r\n") * 100 + chunks(GOOD_BODY),
        "no line end after a chunk": b"5\r\n[[1,20\r\n\r\n",
        "a line feed after a chunk": b"5\n[[1,2\n0\n\n",
        "no last chunk": b"5\r\n[[1,2\r\n",
        "half a chunk": b"50\r\n[[1,2",
        "an early last chunk": b"0\r\n\r\n" + chunks(GOOD_BODY),
        "a trailer": b"0\r\nX-Y: z\r\n\r\n",
        "a trailer with a length": b"0\r\nContent-Length: 5\r\n\r\n",
        "a hundred trailers": b"0\r\n" + b"X-Y: z\r\n" * 100 + b"\r\n",
        "a hundred thousand trailers": b"0\r\n" + b"X-Y: z\r\n" * 100_000 + b"\r\n",
        "a trailer of a megabyte": b"0\r\nX-Y: " + b"z" * 1_000_000 + b"\r\n\r\n",
        "a malformed trailer": b"0\r\n\x00\r\n\r\n",
        "a trailer that does not end": b"0\r\nX-Y: z\r\n",
        "zeros as the last size": b"0" * 5000 + b"\r\n\r\n",
        "nothing": b"",
        "only a size": b"5",
        "text": GOOD_BODY,
    }
    for name, body in bodies.items():
        yield Case(TOPIC, f"chunked: {name}", (start + body,), Ending.HALF_CLOSE, most_answers=2)
    expected = head("POST", "/log_prob", [MEDIA, CHUNKED, ("Expect", "100-continue")])
    yield Case(TOPIC, "chunked after 100-continue", (expected, chunks(GOOD_BODY)))
    yield from named(TOPIC, [("a good chunked body", start + chunks(GOOD_BODY))], [200])


def _smuggling() -> Iterator[Case]:
    whole = [
        ("CL.TE", [("Content-Length", str(5 + len(SMUGGLED))), CHUNKED], b"0\r\n\r\n" + SMUGGLED),
        ("TE.CL", [CHUNKED, ("Content-Length", "4")], b"%x\r\n" % len(SMUGGLED) + SMUGGLED + b"\r\n0\r\n\r\n"),
        ("two lengths", [("Content-Length", "0"), ("Content-Length", str(len(SMUGGLED)))], SMUGGLED),
        ("two equal lengths", [("Content-Length", "5")] * 2, b"[[1,2"),
        ("two encodings", [CHUNKED, ("Transfer-Encoding", "identity")], b"0\r\n\r\n" + SMUGGLED),
        ("an encoding with a space", [("Transfer-Encoding ", "chunked"), ("Content-Length", str(5 + len(SMUGGLED)))], b"0\r\n\r\n" + SMUGGLED),
        ("a folded encoding", [("Transfer-Encoding", "\r\n chunked"), ("Content-Length", str(5 + len(SMUGGLED)))], b"0\r\n\r\n" + SMUGGLED),
        ("a length in a connection option", [("Connection", "Content-Length"), ("Content-Length", str(len(SMUGGLED)))], SMUGGLED),
        ("an underscore", [("Content_Length", str(len(SMUGGLED))), ("Content-Length", "0")], b""),
        ("a length with a carriage return", [("X-Y", "a\rContent-Length: 5"), ("Content-Length", "0")], b""),
    ]  # fmt: skip
    for name, fields, body in whole:
        for target in ("/log_prob", "/v2/models/affine2d/infer", "/livez", "/nothing"):
            data = head("POST", target, [MEDIA, *fields]) + body
            yield Case(TOPIC, f"smuggling by {name} to {target}", (data,), Ending.HALF_CLOSE)
    rest = post("/log_prob", GOOD_BODY).replace(b"Content-Length: %d" % len(GOOD_BODY), b"Content-Length: 5")
    yield Case(TOPIC, "a body longer than its length", (rest,), Ending.HALF_CLOSE, most_answers=2)
    for method in ("GET", "HEAD", "DELETE", "OPTIONS"):
        data = head(method, "/livez", [("Content-Length", str(len(SMUGGLED)))]) + SMUGGLED
        yield Case(TOPIC, f"{method} with a request as its body", (data,), no_body=method == "HEAD")
    yield Case(
        TOPIC,
        "pipelined after a body that is too large",
        (head("POST", "/log_prob", [MEDIA, ("Content-Length", "9" * 12)]) + get("/livez"),),
        Ending.HALF_CLOSE,
    )


def chunks(body: bytes) -> bytes:
    """A body in one chunk, with the last chunk."""
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
