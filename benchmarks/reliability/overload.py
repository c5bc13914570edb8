"""Offers ten times the capacity in an open loop: `python -m benchmarks.reliability.overload`.

The server has one worker on one core, the load comes from the other core, from eight addresses and on at most 1,000
connections. Requests have 10,000 rows or one row, without and with a deadline of one second. One core can neither send
nor reject ten times as many requests of one row as one core answers, so they are offered at four times the peak. The
peak is the mean of one measured before the load and one after it. Each kind runs three times, on a new server; the
figures are those of the run with the middle goodput.
"""

import asyncio
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from operator import attrgetter
from typing import Final, NamedTuple, ParamSpec, TypeVar

import uvloop
from tqdm import tqdm

from benchmarks.process_tree import resident_bytes
from benchmarks.reliability.figure import Figure, read_options, write
from benchmarks.reliability.load.answers import OK, REJECTED, Load, percentile
from benchmarks.reliability.load.closed_loop import closed_loop
from benchmarks.reliability.load.open_loop import Plan, open_loop, peak
from benchmarks.reliability.load.pinned_server import LIVEZ, pinned_server, request_of

# By rows of a request: what is offered, in peaks; and how many connections have the peak throughput.
MULTIPLES: Final = {10_000: 10, 1: 4}
CONNECTIONS: Final = {10_000: 4, 1: 128}
DEADLINE: Final = "X-Request-Timeout-Ms: 1000"
MOST_CONNECTIONS: Final = 1000
ADDRESSES: Final = tuple(f"127.0.0.{number}" for number in range(10, 18))
OTHER_CLIENT: Final = "127.0.0.9"
RUNS: Final = 3
# The process of the generator starts within the first of them.
AFTER_SECONDS: Final = 6.0
PEAK_SECONDS: Final = 10.0
ALONE_SECONDS: Final = 5.0
SLOW: Final = 1.5  # times the p99 alone

P = ParamSpec("P")
R = TypeVar("R")


class Run(NamedTuple):
    """One run: its goodput by the peak, and all its figures."""

    goodput: float
    figures: list[Figure]


def main() -> None:
    """Measure each kind of load and write the figures."""
    options = read_options(__doc__)
    seconds = 10.0 if options.quick else 60.0
    kinds = [(rows, headers) for rows in CONNECTIONS for headers in ((), (DEADLINE,))]
    figures: list[Figure] = []
    with tqdm(total=len(kinds) * (1 if options.quick else RUNS), desc="overload") as progress:
        for rows, headers in kinds:
            runs: list[Run] = []
            for _ in range(1 if options.quick else RUNS):
                with pinned_server() as (server, port):
                    plan = Plan(
                        port, request_of(rows, options.seed, *headers), 0.0, seconds, ADDRESSES, MOST_CONNECTIONS
                    )
                    runs.append(uvloop.run(measure(plan, server.process.pid, rows, limited=bool(headers))))
                progress.update()
            figures += sorted(runs, key=attrgetter("goodput"))[len(runs) // 2].figures
    write("overload", "python -m benchmarks.reliability.overload", figures, seed=options.seed, quick=options.quick)


async def measure(plan: Plan, pid: int, rows: int, *, limited: bool) -> Run:
    """One run of one kind of load; its rate comes from the peak."""
    port, request, seconds = plan.port, plan.request, plan.seconds
    await closed_loop(port, request, 2, 1.0)
    service = await closed_loop(port, request, 1, ALONE_SECONDS)
    first = await peak_of(plan, rows)
    one = request_of(1, 0)
    alone = percentile((await closed_loop(port, one, 1, ALONE_SECONDS, pause=0.02)).seconds(OK), 0.99)
    before = resident_bytes([pid])
    beside = asyncio.ensure_future(closed_loop(port, one, 1, seconds + AFTER_SECONDS, OTHER_CLIENT, 0.02))
    health = asyncio.ensure_future(closed_loop(port, LIVEZ, 1, seconds, pause=0.05))
    load = await in_process(open_loop, replace(plan, rate=first * MULTIPLES[rows]))
    after = resident_bytes([pid])
    small, livez = await beside, await health
    capacity = (first + await peak_of(plan, rows)) / 2
    ended = load.began + seconds
    slow = [each.due - ended for each in small.answers if each.due > ended and each.seconds * 1000 > SLOW * alone]
    name = f"{rows:,} rows" if rows > 1 else "one row"
    name += ", deadline of 1 s" if limited else ""
    recovery, offered = max(slow, default=0.0), load.sent / seconds / capacity
    goodput = load.good_between(load.began, ended) / seconds / capacity
    figures = [
        Figure.observed(f"{name}: peak", capacity, "requests/s", n=int(2 * capacity * PEAK_SECONDS)),
        Figure.observed(f"{name}: offered, by the peak", offered, n=load.sent),
        Figure.at_least(f"{name}: goodput by peak", goodput, 0.85 if limited else 0.9, n=load.sent),
        *_answers(load, name, percentile(service.seconds(OK), 0.99)),
        Figure.at_most(f"{name}: growth of resident memory", 100 * (after / before - 1), 10, "%", n=load.sent),
        Figure.at_most(f"{name}: slow after the load for", recovery, 1, "s", n=len(small.answers)),
        Figure.observed(f"{name}: p99 of /livez", percentile(livez.seconds(OK), 0.99), "ms", n=len(livez.answers)),
    ]
    return Run(goodput, figures)


async def peak_of(plan: Plan, rows: int) -> float:
    """Good answers a second when each connection sends one request after the other."""
    return await in_process(peak, replace(plan, seconds=PEAK_SECONDS), CONNECTIONS[rows])


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
        Figure.observed(
            f"{name}: p99 of the accepted, from a free connection on",
            percentile(load.seconds_on_connection(OK), 0.99),
            "ms",
            n=len(accepted),
        ),
        Figure.observed(
            f"{name}: p99 of the rejected, from a free connection on",
            percentile(load.seconds_on_connection(REJECTED) or [0.0], 0.99),
            "ms",
            n=len(rejected),
        ),
        Figure.at_most(f"{name}: rejected without Retry-After", len(rejected) - with_time, 0, n=len(rejected)),
        Figure.at_most(f"{name}: expired, failed or not answered", others, 0, n=sum(statuses.values())),
        Figure.observed(f"{name}: sent more than 50 ms late", load.late, n=load.sent),
    ]


if __name__ == "__main__":
    main()
