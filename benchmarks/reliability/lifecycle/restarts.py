"""Stops and starts a loaded server 200 times and counts the requests that it accepted and did not answer.

Half of the restarts are of a server with one worker, half of one with two. Clients keep their connections or open one
for each request. A connection that is refused while no process listens is not a loss.
"""

import asyncio
import itertools
import sys

from tqdm import tqdm

from benchmarks.reliability.figure import Figure, read_options, write
from benchmarks.reliability.served import Served, fixed_port
from tests.given.servers.paced_clients import ANSWERED, PacedClients, post

REQUEST = post("/log_prob", b'{"model":"moons","x":[[0.3,-0.4]]}')
RESTARTS, REQUESTS = 200, 200_000
QUICK_RESTARTS, QUICK_REQUESTS = 4, 1000


async def measure(restarts: int, requests: int) -> list[Figure]:
    """The figures of this number of restarts, spread over at least this number of answered requests."""
    port = fixed_port()
    clients = PacedClients(port, REQUEST, count=16, pause=0.002)
    running = asyncio.create_task(clients.run())
    codes, stops = [], []
    for number, workers in zip(tqdm(range(restarts), "restarts"), itertools.cycle((1, 2)), strict=False):
        served = await Served.start(port, workers)
        while clients.ends[ANSWERED] < requests * (number + 1) / restarts:
            if running.done():
                # They end only with an error, which stands in the result.
                await running
            await asyncio.sleep(0.01)
        code, seconds = await served.stop()
        codes.append(code)
        stops.append(seconds)
    clients.running = False
    await running
    sys.stderr.write(f"ends of the requests: {dict(clients.ends)}\n")
    n = clients.ends.total()
    return [
        Figure.at_most("requests accepted and not answered", sum(clients.unanswered.values()), 0, n=n),
        Figure.at_least("answered requests", clients.ends[ANSWERED], requests, n=n),
        Figure.at_most("stops with an exit code other than 0", sum(map(bool, codes)), 0, n=restarts),
        Figure.observed("longest stop", max(stops), "s", n=restarts),
    ]


def main() -> None:
    """Measure and write the figures."""
    options = read_options(__doc__)
    counts = (QUICK_RESTARTS, QUICK_REQUESTS) if options.quick else (RESTARTS, REQUESTS)
    figures = asyncio.run(measure(*counts))
    write("restarts", "python -m benchmarks.reliability.lifecycle.restarts", figures, seed=None, quick=options.quick)


if __name__ == "__main__":
    main()
