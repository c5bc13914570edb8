"""Connections: pipelined requests, early and half closes, resets at every byte, and requests that arrive slowly."""

from collections.abc import Iterator
from typing import Final

from tests.reliability.corpus.case import GOOD_BODY, JSON, Case, Ending, get, head, post
from tests.reliability.corpus.topics.framing import CHUNKED, MEDIA, chunks

TOPIC: Final = "connections"
GOOD: Final = post("/log_prob", GOOD_BODY)
PIPELINES: Final = (2, 5, 20, 100)
CUTS: Final = 20


def cases() -> Iterator[Case]:
    """All cases of this topic."""
    yield from _pipelines()
    for ending in (Ending.CLOSE, Ending.RESET, Ending.HALF_CLOSE):
        for step in range(CUTS + 1):
            cut = len(GOOD) * step // CUTS
            yield Case(TOPIC, f"{ending.value} after {cut} bytes", (GOOD[:cut],), ending)
        chunked = head("POST", "/log_prob", [MEDIA, CHUNKED]) + chunks(GOOD_BODY)
        for step in range(1, CUTS, 3):
            cut = len(chunked) * step // CUTS
            yield Case(TOPIC, f"chunked, {ending.value} after {cut} bytes", (chunked[:cut],), ending)
        yield Case(
            TOPIC, f"{ending.value} before a sample comes", (post("/sample", b'{"num_samples":200000}'),), ending
        )
        stream = post("/sample?num_samples=1000000&format=csv", b"", None)
        yield Case(
            TOPIC,
            f"{ending.value} before a stream comes",
            (stream,),
            ending if ending is not Ending.HALF_CLOSE else Ending.RESET,
        )
        yield Case(TOPIC, f"{ending.value} after a pipeline", (GOOD * 20,), ending, most_answers=20)
        yield Case(
            TOPIC,
            f"{ending.value} after 100-continue",
            (head("POST", "/log_prob", [MEDIA, ("Content-Length", "50"), ("Expect", "100-continue")]),),
            ending,
        )
    yield from _slow()


def _pipelines() -> Iterator[Case]:
    kinds = {
        "good": GOOD,
        "GET": get("/models"),
        "unknown paths": get("/nothing"),
        "wrong methods": head("PUT", "/log_prob", [("Content-Length", "0")]),
        "malformed bodies": post("/log_prob", b"{"),
        "chunked": head("POST", "/log_prob", [MEDIA, CHUNKED]) + chunks(GOOD_BODY),
        "v2": get("/v2"),
        "samples": post("/sample", b'{"num_samples":100,"seed":1}'),
    }
    for name, data in kinds.items():
        for count in PIPELINES:
            yield Case(TOPIC, f"{count} pipelined: {name}", (data * count,), most_answers=count)
    mixed = b"".join(kinds.values())
    yield Case(TOPIC, "a mixed pipeline", (mixed * 5,), most_answers=5 * len(kinds))
    yield Case(TOPIC, "a pipeline with junk in it", (GOOD + b"junk\r\n\r\n" + GOOD,), Ending.HALF_CLOSE, most_answers=3)
    yield Case(
        TOPIC, "a pipeline behind close", (post("/log_prob", GOOD_BODY, JSON, [("Connection", "close")]) + GOOD,)
    )
    yield Case(TOPIC, "a pipeline behind HTTP/1.0", (GOOD.replace(b"HTTP/1.1", b"HTTP/1.0", 1) + GOOD,), most_answers=2)


def _slow() -> Iterator[Case]:
    for name, data in {
        "a good request": GOOD,
        "GET": get("/models"),
        "a malformed body": post("/log_prob", b"{" * 40),
    }.items():
        for size in (1, 7, 50):
            pieces = tuple(data[start : start + size] for start in range(0, len(data), size))
            yield Case(TOPIC, f"{name} in pieces of {size}", pieces)
    whole = head("POST", "/log_prob", [MEDIA, CHUNKED]) + chunks(GOOD_BODY)
    yield Case(TOPIC, "chunked in pieces of 3", tuple(whole[start : start + 3] for start in range(0, len(whole), 3)))
    start = head("POST", "/log_prob", [MEDIA, ("Content-Length", str(len(GOOD_BODY))), ("Expect", "100-continue")])
    yield Case(TOPIC, "a body after 100-continue", (start, GOOD_BODY))
