"""All cases of the corpus, in the order of their topics."""

from collections.abc import Callable, Iterator
from typing import Final

from tests.reliability.corpus.case import Case
from tests.reliability.corpus.topics import (
    connections,
    formats,
    framing,
    heads,
    json_bodies,
    parameters,
    paths,
    protocol,
    request_line,
)

TOPICS: Final[tuple[Callable[[], Iterator[Case]], ...]] = (
    request_line.cases,
    heads.cases,
    framing.cases,
    json_bodies.cases,
    formats.cases,
    protocol.cases,
    paths.cases,
    parameters.cases,
    connections.cases,
)


def all_cases() -> list[Case]:
    """Every case of every topic; the same on every machine."""
    return [case for topic in TOPICS for case in topic()]
