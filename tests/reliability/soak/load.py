"""Sends the requests of the soak on several connections, checks each answer, disconnects at random, and takes times."""

import asyncio
import contextlib
import random
import socket
import time
from dataclasses import dataclass, field
from typing import Final

from tests.reliability.corpus.answers import read_answer
from tests.reliability.corpus.play import BUFFER_BYTES, NO_ANSWER, RESET
from tests.reliability.soak.questions import Question, malformed, questions

CONNECTIONS: Final = 6
MALFORMED_SHARE: Final = 0.01
DISCONNECT_SHARE: Final = 0.01
ANSWER_SECONDS: Final = 30
TOO_MANY: Final = 429


@dataclass(slots=True)
class Load:
    """The answers that the load has seen so far.

    Attributes:
        requests: all that were sent.
        checked: answers that were right.
        refused: answers of status 429 with a time to try again; the machine was too busy.
        wrong: what was wrong, one sentence each.
        disconnects: requests that were broken off.
        seconds: of the answers of one row, in the order they came.
    """

    requests: int = 0
    checked: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)
    disconnects: int = 0
    seconds: list[float] = field(default_factory=list)

    async def run(self, host: str, port: int, seconds: float, least_requests: int, seed: int) -> None:
        """Send requests for some seconds, and at least so many."""
        deadline = time.monotonic() + seconds
        streams = (random.Random(f"{seed}.{number}") for number in range(CONNECTIONS))
        await asyncio.gather(*(self._connection(host, port, deadline, least_requests, rng) for rng in streams))

    async def _connection(self, host: str, port: int, deadline: float, least: int, rng: random.Random) -> None:
        good, bad = questions(rng), malformed()
        reader, writer = await asyncio.open_connection(host, port, limit=BUFFER_BYTES)
        while time.monotonic() < deadline or self.requests < least:
            question = rng.choice(bad) if rng.random() < MALFORMED_SHARE else rng.choice(good)
            self.requests += 1
            try:
                writer.write(question.request)
                if rng.random() < DISCONNECT_SHARE:
                    await asyncio.sleep(rng.random() / 100)
                    self.disconnects += 1
                    raise ConnectionResetError
                await self._take(reader, question)
            except NO_ANSWER as error:
                if not isinstance(error, ConnectionResetError) or error.args:
                    self.wrong.append(f"{question.name}: {error!r}")
                await _reset(writer)
                reader, writer = await asyncio.open_connection(host, port, limit=BUFFER_BYTES)
        await _reset(writer)

    async def _take(self, reader: asyncio.StreamReader, question: Question) -> None:
        began = time.perf_counter()
        answer = await asyncio.wait_for(read_answer(reader, no_body=False), ANSWER_SECONDS)
        if question.name == "log_prob of 1":
            self.seconds.append(time.perf_counter() - began)
        if answer.status == question.status and question.check(answer.body):
            self.checked += 1
        elif answer.status == TOO_MANY and "retry-after" in answer.headers:
            self.refused += 1
        else:
            self.wrong.append(f"{question.name}: {answer.status} {answer.body[:200]!r}")
        if not answer.keeps_connection:
            raise ConnectionResetError


async def _reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
