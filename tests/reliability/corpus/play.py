"""Plays cases against a server: each on a connection of its own, many at the same time, beside a polite client."""

import asyncio
import contextlib
import json
import socket
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from tests.given.flows import affine
from tests.reliability.corpus.answers import Answer, read_answer
from tests.reliability.corpus.case import GOOD_BODY, GOOD_ROWS, JSON, Case, Ending, post

ANSWER_SECONDS: Final = 1.0
# A case that may be incomplete is given this long for an answer; then the client closes its half.
PATIENCE_SECONDS: Final = 0.15
PAUSE_SECONDS: Final = 0.002
CONNECTIONS: Final = 32
POLITE_SECONDS: Final = 0.02
TOLERANCE: Final = 1e-5
RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER of no seconds: close() sends RST
NO_ANSWER: Final = (asyncio.IncompleteReadError, ConnectionError)
BUFFER_BYTES: Final = 1 << 22


@dataclass(slots=True)
class Outcome:
    """The outcome of one case.

    Attributes:
        answers: in the order they came.
        hung: neither an answer nor the end of the connection came in time.
        probe: why a good request after the case, on the same connection, was not answered rightly; empty if it was.
    """

    case: Case
    answers: list[Answer] = field(default_factory=list)
    hung: bool = False
    probe: str = ""


@dataclass(slots=True)
class Polite:
    """A client that sends one good request after the other while the cases run.

    Attributes:
        answered: number of right answers.
        failures: what went wrong, one sentence each.
        wanted: false when it shall stop.
    """

    answered: int = 0
    failures: list[str] = field(default_factory=list)
    wanted: bool = True


async def play_all(host: str, port: int, cases: Iterable[Case]) -> tuple[list[Outcome], Polite]:
    """Play every case. A case that hung is played again alone, because the machine may have been busy."""
    polite = Polite()
    good = asyncio.create_task(_be_polite(host, port, polite))
    remaining = iter(list(cases))

    async def player() -> list[Outcome]:
        return [await play(host, port, case) for case in remaining]

    outcomes = [outcome for found in await asyncio.gather(*(player() for _ in range(CONNECTIONS))) for outcome in found]
    again = [outcome.case for outcome in outcomes if outcome.hung]
    kept = [outcome for outcome in outcomes if not outcome.hung]
    kept += [await play(host, port, case) for case in again]
    polite.wanted = False
    await good
    return kept, polite


async def play(host: str, port: int, case: Case) -> Outcome:
    """Play one case on a new connection."""
    outcome = Outcome(case)
    reader, writer = await asyncio.open_connection(host, port, limit=BUFFER_BYTES)
    try:
        sending = asyncio.create_task(_send(writer, case))
        try:
            await _listen(reader, writer, sending, outcome)
        finally:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await sending
    finally:
        if case.ending is Ending.RESET:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        writer.close()
        with contextlib.suppress(ConnectionError, TimeoutError):
            await asyncio.wait_for(writer.wait_closed(), ANSWER_SECONDS)
        # A server that does not read would keep bytes that are not sent, and so the connection, for ever.
        writer.transport.abort()
    return outcome


async def _send(writer: asyncio.StreamWriter, case: Case) -> None:
    for number, piece in enumerate(case.pieces):
        if number:
            await asyncio.sleep(PAUSE_SECONDS)
        writer.write(piece)
        await writer.drain()


async def _listen(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sending: asyncio.Task[None], outcome: Outcome
) -> None:
    case = outcome.case
    if case.ending in {Ending.CLOSE, Ending.RESET}:
        with contextlib.suppress(ConnectionError, TimeoutError):
            await asyncio.wait_for(sending, ANSWER_SECONDS)
        return
    if len(case.pieces) > 1:
        with contextlib.suppress(ConnectionError, TimeoutError):
            await asyncio.wait_for(asyncio.shield(sending), ANSWER_SECONDS * 5)
    try:
        if case.ending is Ending.HALF_CLOSE:
            await _read_to_the_end(reader, writer, outcome)
        else:
            await _read_and_probe(reader, writer, outcome)
    except TimeoutError:
        outcome.hung = True
    except NO_ANSWER:
        # The server closed the connection, which is an end too.
        pass


async def _read_to_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, outcome: Outcome) -> None:
    patience = PATIENCE_SECONDS
    while True:
        # Not cut off after the short wait: the answer may be halfway here.
        reading = asyncio.create_task(read_answer(reader, no_body=outcome.case.no_body))
        await asyncio.wait({reading}, timeout=patience)
        if not reading.done() and patience == PATIENCE_SECONDS:
            patience = ANSWER_SECONDS
            if writer.can_write_eof():
                writer.write_eof()
        outcome.answers.append(await asyncio.wait_for(reading, ANSWER_SECONDS))


async def _read_and_probe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, outcome: Outcome) -> None:
    case = outcome.case
    while len(outcome.answers) < case.most_answers:
        answer = await asyncio.wait_for(read_answer(reader, no_body=case.no_body), ANSWER_SECONDS)
        outcome.answers.append(answer)
        if not answer.keeps_connection:
            # The end must come as promised.
            rest = await asyncio.wait_for(reader.read(), ANSWER_SECONDS)
            outcome.probe = f"bytes after the last answer: {rest[:50]!r}" if rest else ""
            return
    identifier = f"probe-{id(outcome)}"
    writer.write(post("/log_prob", GOOD_BODY, JSON, [("X-Request-Id", identifier)]))
    try:
        answer = await asyncio.wait_for(read_answer(reader, no_body=False), ANSWER_SECONDS)
    except NO_ANSWER:
        outcome.probe = "the connection was closed, but no answer said so"
        return
    if answer.headers.get("x-request-id") != identifier:
        outcome.probe = f"the next answer, {answer.status}, is not that of the next request"
    else:
        outcome.probe = wrong_answer(answer)


async def _be_polite(host: str, port: int, polite: Polite) -> None:
    while polite.wanted:
        began = time.monotonic()
        try:
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(post("/log_prob", GOOD_BODY, JSON, [("Connection", "close")]))
            answer = await asyncio.wait_for(read_answer(reader, no_body=False), 10)
            writer.close()
        except (*NO_ANSWER, TimeoutError) as error:
            polite.failures.append(repr(error))
            continue
        wrong = wrong_answer(answer)
        polite.answered += not wrong
        if wrong:
            polite.failures.append(wrong)
        await asyncio.sleep(max(0.0, POLITE_SECONDS - (time.monotonic() - began)))


def wrong_answer(answer: Answer) -> str:
    """Why this is not the answer to the good request; empty if it is."""
    if answer.status != 200:
        return f"status {answer.status}: {answer.body[:100]!r}"
    found = json.loads(answer.body)["log_prob"]
    if max(abs(found - affine.log_prob(GOOD_ROWS))) > TOLERANCE:
        return f"another number: {found}"
    return ""
