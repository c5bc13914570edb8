"""One case of the corpus: the bytes that a hostile client sends, how it ends, and what it may be answered."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

Headers = Iterable[tuple[str, str]]

GOOD_ROWS: Final = ((0.3, -0.4), (1.0, 0.5))
GOOD_BODY: Final = json.dumps({"x": GOOD_ROWS}).encode()
JSON: Final = "application/json"


class Ending(Enum):
    """How the client ends: it waits for an answer, closes its half, closes, or resets the connection."""

    WAIT = "wait"
    HALF_CLOSE = "half close"
    CLOSE = "close"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Case:
    """One case.

    Attributes:
        topic: the generator that made it.
        name: what is hostile about it, unique in its topic.
        pieces: bytes that are sent one after the other, with a short pause between them.
        ending: how the client ends after the last piece.
        statuses: the only statuses that may come; empty if every status below 500 may.
        most_answers: the most answers that the bytes may get; one more is request smuggling.
        no_body: whether the answers have no body, as those to HEAD.
    """

    topic: str
    name: str
    pieces: tuple[bytes, ...]
    ending: Ending = Ending.WAIT
    statuses: frozenset[int] = frozenset()
    most_answers: int = 1
    no_body: bool = False


def head(method: str, target: str, headers: Headers = (), *, version: str = "HTTP/1.1", host: bool = True) -> bytes:
    """The head of a request, up to the empty line; text is sent as Latin-1."""
    lines = [f"{method} {target} {version}"]
    lines += ["Host: 127.0.0.1"] if host else []
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def post(target: str, body: bytes, content_type: str | None = JSON, headers: Headers = ()) -> bytes:
    """A whole POST request with a true Content-Length."""
    media = [("Content-Type", content_type)] if content_type is not None else []
    return head("POST", target, [*media, ("Content-Length", str(len(body))), *headers]) + body


def get(target: str, headers: Headers = ()) -> bytes:
    """A whole GET request."""
    return head("GET", target, headers)


def named(topic: str, cases: Iterable[tuple[str, bytes]], statuses: Iterable[int] = ()) -> Iterator[Case]:
    """Cases of one piece each, from names and bytes."""
    allowed = frozenset(statuses)
    for name, data in cases:
        yield Case(topic, name, (data,), statuses=allowed)


def ended(cases: Iterable[Case], ending: Ending) -> Iterator[Case]:
    """The same cases with another ending."""
    for case in cases:
        yield replace(case, ending=ending)
