"""Measures one polite client alone and beside 64 greedy connections: `python -m benchmarks.reliability.fairness`.

The greedy connections send requests of 10,000 rows, from one other address; then from the same one. After each answer
they wait for a tenth of a second if they were rejected, and not at all if they were not; they ignore Retry-After.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import uvloop

from benchmarks.reliability.figure import Figure, read_options, write
from benchmarks.reliability.load.answers import OK, Load, percentile
from benchmarks.reliability.load.closed_loop import closed_loop
from benchmarks.reliability.load.pinned_server import pinned_server, request_of

GREEDY: Final = 64
GREEDY_ROWS: Final = 10_000
POLITE_ROWS: Final = (1, 1000, 10_000)
POLITE: Final = "127.0.0.9"
GREEDY_CLIENTS: Final[Mapping[str, str]] = {"another address": "127.0.0.8", "the same address": POLITE}
PAUSE: Final = 0.05
MOST: Final = 3


def main() -> None:
    """Measure and write the figures."""
    options = read_options(__doc__)
    seconds = 4.0 if options.quick else 30.0
    with pinned_server() as (_, port):
        figures = uvloop.run(measure(port, seconds, options.seed))
    write("fairness", "python -m benchmarks.reliability.fairness", figures, seed=options.seed, quick=options.quick)


async def measure(port: int, seconds: float, seed: int) -> list[Figure]:
    """The figures of each size of a polite request."""
    figures: list[Figure] = []
    greedy_request = request_of(GREEDY_ROWS, seed)
    await closed_loop(port, greedy_request, 2, 1.0)
    for rows in POLITE_ROWS:
        request = request_of(rows, seed + 1)
        alone = await closed_loop(port, request, 1, seconds, POLITE, PAUSE)
        for where, address in GREEDY_CLIENTS.items():
            greedy = asyncio.ensure_future(
                closed_loop(port, greedy_request, GREEDY, seconds, address, rejected_pause=0.1)
            )
            beside = await closed_loop(port, request, 1, seconds, POLITE, PAUSE)
            await greedy
            figures += compare(f"{rows:,} rows, greedy from {where}", alone, beside, promised=address != POLITE)
    return figures


def compare(name: str, alone: Load, beside: Load, *, promised: bool) -> list[Figure]:
    """The p99 of a polite client beside greedy ones, by that alone, and its rejected requests."""
    before, after = (percentile(each.seconds(OK), 0.99) for each in (alone, beside))
    n, lost = len(beside.answers), len(beside.answers) - beside.statuses()[OK]
    figures = [Figure.observed(f"{name}: p99 alone", before, "ms", n=len(alone.answers))]
    if promised:
        figures.append(Figure.at_most(f"{name}: p99 by that alone", after / before, MOST, n=n))
        return [*figures, Figure.at_most(f"{name}: rejected", lost, 0, n=n)]
    figures.append(Figure.observed(f"{name}: p99 by that alone", after / before, n=n))
    return [*figures, Figure.observed(f"{name}: rejected", lost, n=n)]


if __name__ == "__main__":
    main()
