"""Plays the corpus against a server of two workers, after a warm-up, and collects what every law needs."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tests.given.flows import affine
from tests.given.servers.watched_server import WatchedServer, lowest
from tests.reliability.corpus.case import Case
from tests.reliability.corpus.cases import all_cases
from tests.reliability.corpus.laws import broken_laws, broken_laws_of_log
from tests.reliability.corpus.play import Outcome, Polite, play_all
from tests.reliability.corpus.topics import connections, formats

WARM_UP_TOPICS: Final = frozenset({connections.TOPIC, formats.TOPIC})


@dataclass(frozen=True, slots=True)
class Run:
    """A run of the corpus.

    Attributes:
        outcomes: of every case of the measured passes.
        broken_laws: one sentence for each law that was broken; they stand for every pass.
        ended_processes: workers that were replaced.
        growth_bytes: of the memory of both workers, over the first measured pass.
        growth_of_all_bytes: the same over all measured passes.
    """

    outcomes: list[Outcome]
    polite: Polite
    broken_laws: list[str]
    ended_processes: int
    growth_bytes: int
    growth_of_all_bytes: int

    @property
    def cases(self) -> int:
        """The number of cases played."""
        return len(self.outcomes)


def heavy_cases() -> list[Case]:
    """Cases for a warm-up: they load the library of every format, and the allocator keeps what large answers need."""
    return [case for case in all_cases() if case.topic in WARM_UP_TOPICS]


def play_corpus(warm_up: Sequence[Case], passes: int) -> Run:
    """Start a server, warm it up with these cases, play the corpus several times, stop the server and read its log."""
    cases = all_cases()
    server = WatchedServer(affine.DATA)
    try:
        warm, _ = asyncio.run(play_all(server.host, server.port, warm_up))
        pids, memory = set(server.pids), lowest(lambda: server.usage().memory_bytes)
        outcomes, polite = asyncio.run(play_all(server.host, server.port, cases))
        growth = lowest(lambda: server.usage().memory_bytes) - memory
        further, still_polite = asyncio.run(play_all(server.host, server.port, cases * (passes - 1)))
        growth_of_all = lowest(lambda: server.usage().memory_bytes) - memory
        outcomes += further
        polite.answered += still_polite.answered
        polite.failures += still_polite.failures
        ended = len(pids - set(server.pids))
    finally:
        lines = server.end()
    laws = [*_of_outcomes(outcomes), *polite.failures, *broken_laws_of_log(lines, warm + outcomes)]
    return Run(outcomes, polite, laws, ended, growth, growth_of_all)


def _of_outcomes(outcomes: list[Outcome]) -> Iterator[str]:
    for outcome in outcomes:
        for sentence in broken_laws(outcome):
            yield f"{outcome.case.topic}: {outcome.case.name}: {sentence}"
