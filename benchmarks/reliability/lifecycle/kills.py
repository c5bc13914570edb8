"""Kills one of two workers every two seconds for a minute (SIGKILL), then stops one (SIGSTOP) under the same load.

Counts the requests that had no answer after one retry, and the seconds until two workers served again.
"""

import asyncio
import os
import random
import signal
import time

from benchmarks.reliability.figure import Figure, read_options, write
from benchmarks.reliability.lifecycle.restarts import REQUEST
from benchmarks.reliability.served import Served, fixed_port
from tests.given.servers.paced_clients import PacedClients

SECONDS, QUICK_SECONDS = 60.0, 8.0
EVERY_SECONDS = 2.0
LIMIT_SECONDS = 60.0
WORKERS = 2


async def measure(seconds: float, seed: int) -> list[Figure]:
    """The figures of kills for this time."""
    choice = random.Random(seed)  # noqa: S311  (which worker dies)
    served = await Served.start(fixed_port(), WORKERS)
    clients = PacedClients(served.port, REQUEST, pause=0.005)
    running = asyncio.create_task(clients.run())
    await _capacity(served, set())
    back = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        back.append(await _end_one(served, choice, signal.SIGKILL))
        await asyncio.sleep(max(0.0, EVERY_SECONDS - (time.monotonic() - began)))
    hung = await _end_one(served, choice, signal.SIGSTOP)
    clients.running = False
    await running
    code, _ = await served.stop()
    n = clients.ends.total()
    return [
        Figure.at_most("requests without an answer after one retry", sum(clients.lost.values()), 0, n=n),
        Figure.observed("requests that needed a retry", sum(clients.unanswered.values()), n=n),
        Figure.at_most("longest time until two workers served after SIGKILL", max(back), 3.0, "s", n=len(back)),
        Figure.at_most("time until two workers served after SIGSTOP", hung, 3.0, "s", n=1),
        Figure.at_most("exit code at the end", code, 0, n=1),
    ]


async def _end_one(served: Served, choice: random.Random, number: signal.Signals) -> float:
    """End a worker; the seconds until two workers serve and it is none of them."""
    victim = choice.choice(sorted(served.workers))
    began = time.monotonic()
    os.kill(victim, number)
    await _capacity(served, {victim})
    return time.monotonic() - began


async def _capacity(served: Served, gone: set[int]) -> None:
    """Wait until two workers answer, none of them one of these."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while len(served.workers) != WORKERS or served.workers & gone or not await _both_answer(served):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def _both_answer(served: Served) -> bool:
    """True if the request ids of ten answers come from two processes."""
    found = [await served.get("/livez") for _ in range(10)]
    return len({response.headers["x-request-id"][:8] for response in found if response is not None}) == WORKERS


def main() -> None:
    """Measure and write the figures."""
    options = read_options(__doc__)
    figures = asyncio.run(measure(QUICK_SECONDS if options.quick else SECONDS, options.seed))
    command = f"python -m benchmarks.reliability.lifecycle.kills --seed {options.seed}"
    write("kills", command, figures, seed=options.seed, quick=options.quick)


if __name__ == "__main__":
    main()
