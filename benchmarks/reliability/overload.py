"""Offers ten times the capacity in an open loop: `python -m benchmarks.reliability.overload`.

The server has one worker on one core, the load comes from the other core. Requests have 10,000 rows or one row, without
and with a deadline of one second. The generator cannot send ten times as many requests of one row as the service
answers, so it offers them at twice the peak. The peak is the mean of one measured before the load and one after it.
"""

import asyncio
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Final, ParamSpec, TypeVar

import uvloop

from benchmarks.process_tree import resident_bytes
from benchmarks.reliability.figure import Figure, read_options, write
from benchmarks.reliability.load.answers import OK, REJECTED, Load, percentile
from benchmarks.reliability.load.closed_loop import closed_loop
from benchmarks.reliability.load.open_loop import Plan, open_loop, peak
from benchmarks.reliability.load.pinned_server import LIVEZ, pinned_server, request_of

# By rows of a request: what is offered, in peaks; and how many connections have the peak throughput.
MULTIPLES: Final = {10_000: 10, 1: 2}
CONNECTIONS: Final = {10_000: 4, 1: 128}
DEADLINE: Final = "X-Request-Timeout-Ms: 1000"
P = ParamSpec("P")
R = TypeVar("R")

ADDRESSES: Final = tuple(f"127.0.0.{number}" for number in range(10, 18))
OTHER_CLIENT: Final = "127.0.0.9"
AFTER_SECONDS: Final = 3.0
PEAK_SECONDS: Final = 10.0
ALONE_SECONDS: Final = 5.0
SLOW: Final = 1.5  # times the p99 alone


def main() -> None:
    """Measure each kind of load and write the figures."""
    options = read_options(__doc__)
    seconds = 10.0 if options.quick else 60.0
    figures: list[Figure] = []
    for rows in CONNECTIONS:
        for headers in ((), (DEADLINE,)):
            with pinned_server() as (server, port):
                request = request_of(rows, options.seed, *headers)
                figures += uvloop.run(measure(port, server.process.pid, request, rows, seconds, limited=bool(headers)))
    write("overload", "python -m benchmarks.reliability.overload", figures, seed=options.seed, quick=options.quick)


async def measure(  # noqa: PLR0913  (a server, and a load)
    port: int, pid: int, request: bytes, rows: int, seconds: float, *, limited: bool
) -> list[Figure]:
    """The figures of one kind of load."""
    await closed_loop(port, request, 2, 1.0)
    service = await closed_loop(port, request, 1, ALONE_SECONDS)
    first = await peak_of(port, request, rows)
    one = request_of(1, 0)
    alone = percentile((await closed_loop(port, one, 1, ALONE_SECONDS, pause=0.02)).seconds(OK), 0.99)
    before = resident_bytes([pid])
    beside = asyncio.ensure_future(closed_loop(port, one, 1, seconds + AFTER_SECONDS, OTHER_CLIENT, 0.02))
    health = asyncio.ensure_future(closed_loop(port, LIVEZ, 1, seconds, pause=0.05))
    began = asyncio.get_running_loop().time()
    plan = Plan(port, request, first * MULTIPLES[rows], seconds, ADDRESSES)
    load = await in_process(open_loop, plan)
    after = resident_bytes([pid])
    small, livez = await beside, await health
    capacity = (first + await peak_of(port, request, rows)) / 2
    ended = began + seconds
    slow = [each.due - ended for each in small.answers if each.due > ended and each.seconds * 1000 > SLOW * alone]
    name = f"{rows:,} rows" if rows > 1 else "one row"
    name += ", deadline of 1 s" if limited else ""
    recovery, offered = max(slow, default=0.0), load.sent / seconds / capacity
    goodput = load.good_between(began, ended) / seconds / capacity
    return [
        Figure.observed(f"{name}: peak", capacity, "requests/s", n=int(2 * capacity * PEAK_SECONDS)),
        Figure.observed(f"{name}: offered, by the peak", offered, n=load.sent),
        Figure.at_least(f"{name}: goodput by peak", goodput, 0.85 if limited else 0.9, n=load.sent),
        *_answers(load, name, percentile(service.seconds(OK), 0.99)),
        Figure.at_most(f"{name}: growth of resident memory", 100 * (after / before - 1), 10, "%", n=load.sent),
        Figure.at_most(f"{name}: slow after the load for", recovery, 1, "s", n=len(small.answers)),
        Figure.observed(f"{name}: p99 of /livez", percentile(livez.seconds(OK), 0.99), "ms", n=len(livez.answers)),
    ]


async def peak_of(port: int, request: bytes, rows: int) -> float:
    """Good answers a second when each connection sends one request after the other."""
    return await in_process(peak, Plan(port, request, 0.0, PEAK_SECONDS, ADDRESSES), CONNECTIONS[rows])


async def in_process(function: Callable[P, R], *args: P.args, **named: P.kwargs) -> R:
    """The result of a function in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as processes:
        return await asyncio.wrap_future(processes.submit(function, *args, **named))


def _answers(load: Load, name: str, service: float) -> list[Figure]:
    statuses, accepted, rejected = load.statuses(), load.seconds(OK), load.seconds(REJECTED)
    with_time = sum(each.has_retry_after for each in load.answers if each.status == REJECTED)
    others = load.sent - len(accepted) - len(rejected)
    promise = 100 + service
    return [
        Figure.at_most(f"{name}: p99 of the accepted", percentile(accepted, 0.99), promise, "ms", n=len(accepted)),
        Figure.at_most(f"{name}: p99 of the rejected", percentile(rejected or [0.0], 0.99), 20, "ms", n=len(rejected)),
        Figure.at_most(f"{name}: rejected without Retry-After", len(rejected) - with_time, 0, n=len(rejected)),
        Figure.at_most(f"{name}: expired, failed or not answered", others, 0, n=sum(statuses.values())),
        Figure.observed(f"{name}: sent more than 50 ms late", load.late, n=load.sent),
    ]


if __name__ == "__main__":
    main()
