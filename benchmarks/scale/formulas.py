"""What can be said without simulating: each formula with its source and where it holds.

c, a, p and b are those of costs.ReplicaCosts; `rate` is requests a second at one replica, `mix` the share of requests
by rows. A turn of the loop with k requests of R rows takes a + k c + (p + b) R.

References:
    Kleinrock (1975), Queueing systems 1, sec. 5.6: M/G/1 and Pollaczek-Khinchine.
    Gross, Shortle, Thompson, Harris (2008), Fundamentals of queueing theory, 4th ed., sec. 3.1: bulk arrivals.
    Inoue (2021), Queueing analysis of GPU-based inference servers with dynamic batching, arXiv:1912.06322.
    Vvedenskaya, Dobrushin, Karpelevich (1996), Problems of Information Transmission 32(1): two choices.
    Denning, Buzen (1978), The operational analysis of queueing network models, ACM Computing Surveys 10(3).
    Mogul, Ramakrishnan (1997), Eliminating receive livelock in an interrupt-driven kernel, ACM TOCS 15(3).
    Williams, Waterman, Patterson (2009), Roofline, CACM 52(4).
"""

import math
from collections.abc import Callable, Mapping
from typing import Final

from benchmarks.scale.costs import Bulk, Card, Graph, ReplicaCosts, Storage
from benchmarks.scale.traffic import mean_rows

Mix = Mapping[int, float]
TERMS: Final = 10  # of the series of two choices: its exponents double


def idle_latency(costs: ReplicaCosts, rows: int) -> float:
    """Of a request that meets nobody: c + a + (p + b) rows. Holds for rows <= chunk_rows."""
    return costs.turn_seconds + costs.own(rows)


def saturation(costs: ReplicaCosts, mix: Mix) -> float:
    """Requests/s of one replica whose chunks are full: 1 / (c + E[rows] (p + b + a / chunk_rows)).

    Holds while ever more clients wait, none of them for long; with few clients chunks are not full, and a weighs more.
    """
    rows = mean_rows(mix)
    return 1 / (costs.own(rows) + costs.turn_seconds * rows / costs.chunk_rows)


def closed_rate(costs: ReplicaCosts, rows: int, connections: float) -> float:
    """Requests/s of one replica with so many connections, by operational analysis: each turn serves half of them.

    The other half is answered at the turn's beginning and comes while it lasts. Holds for equal requests; at most a
    chunk of rows goes into one turn. Where answers go on as requests to other replicas, turns are up to a third larger.
    """
    together = max(1.0, min(connections / 2, costs.chunk_rows / rows))
    return 1 / (costs.own(rows) + costs.turn_seconds / together)


def unbatched_latency(costs: ReplicaCosts, mix: Mix, rate: float, burst: float = 1.0) -> float:
    """Mean where every request has a turn of its own: M/G/1, Pollaczek-Khinchine; in bursts M^X/G/1.

    E[S] + (rate E[S^2] + (E[X (X - 1)] / E[X]) E[S]) / (2 (1 - rate E[S])), and for geometric bursts of mean m
    E[X (X - 1)] / E[X] = 2 (m - 1). Holds for rate E[S] < 1.
    """
    one, two = _moments(mix, lambda rows: idle_latency(costs, rows))
    return one + (rate * two + 2 * (burst - 1) * one) / (2 * (1 - rate * one))


def batched_latency(costs: ReplicaCosts, mix: Mix, rate: float) -> float:
    """Mean in the batcher, from above: as if the loop turned also when nothing has come.

    Turns then form a chain H' = a + sum of what came during H, with E[H] = a / (1 - u), u = rate E[own], and
    E[H^2] / E[H] = E[H] + rate E[own^2] / (1 - u^2); a request waits for half of the turn that it comes in, longer
    turns being met more often, and for all of the next. For requests of one size this is Inoue's second bound. Near an
    idle server it is half of a turn too high; then Inoue's first holds, which is taken where it is lower. Holds for
    u < 1 while turns do not fill a chunk.
    """
    one, two = _moments(mix, costs.own)
    a, used = costs.turn_seconds, rate * one
    length = a / (1 - used) + rate * two / (1 - used**2)
    always = (0.5 + used) * length + one + a
    if len(mix) > 1:
        return always
    seldom = (one + a) / (2 * (1 - used)) * (1 + 2 * rate * a + (1 - rate * a) / (1 + used))
    return min(always, seldom)


def goodput(costs: ReplicaCosts, mix: Mix, rate: float) -> float:
    """Requests/s answered by one replica that is sent `rate`, in the limit of a long time.

    Beyond saturation every request is read, and what is left of the core computes: receive livelock. Nothing is left
    when reading alone takes all of it. The mix is refused as it comes.
    """
    if rate <= saturation(costs, mix):
        return rate
    rows = mean_rows(mix)
    reading = costs.request_seconds + costs.read_seconds * rows
    computing = rows * (costs.row_seconds + costs.turn_seconds / costs.chunk_rows)
    return max(0.0, (1 - rate * reading) / computing)


def random_sojourn(load: float) -> float:
    """Mean time in the system in mean services, replicas chosen at random: M/M/1, 1 / (1 - load)."""
    return 1 / (1 - load)


def two_choices_sojourn(load: float) -> float:
    """The same for two choices: sum over i >= 1 of load^(2^i - 2).

    Holds for very many replicas, exponential services, no batching, one proxy that knows all.
    """
    return sum(math.pow(load, 2**i - 2) for i in range(1, TERMS + 1))


def proxied_rate(replica_rate: float, replicas: float, proxy_seconds: float, proxies: int) -> float:
    """Requests/s through `proxies` cores: the least of what these and the replicas can."""
    return min(replicas * replica_rate, proxies / proxy_seconds)


def bulk_core_rate(bulk: Bulk, row_seconds: float) -> float:
    """Rows/s of one core over files: blocks one after the other, each with its fixed cost."""
    return bulk.block_rows / (bulk.block_seconds + bulk.block_rows * (bulk.read_seconds_per_row + row_seconds))


def bulk_rate(bulk: Bulk, row_seconds: float, cores: float, bytes_per_second: float) -> float:
    """Rows/s of many cores on one wire: min(cores / (Z + D), 1 / D), D the wire's time for a row.

    Upper bounds of operational analysis; near where the two lines meet the truth is below both.
    """
    wire = bulk.row_bytes / bytes_per_second
    return min(cores / (1 / bulk_core_rate(bulk, row_seconds) + wire), 1 / wire)


def prefixes(storage: Storage, bulk: Bulk, rows_per_second: float) -> int:
    """Folders of the object store that a job needs, so that none of them is asked too often."""
    blocks = rows_per_second / bulk.block_rows
    return 1 + int(blocks / min(storage.prefix_reads_per_second, storage.prefix_writes_per_second))


def card_rate(card: Card, graph: Graph, bulk: Bulk) -> float:
    """Rows/s of a card, by its roofline: the slowest of arithmetic, its own memory and the link to it."""
    return 1 / max(
        graph.row_flops / (card.share * card.flops),
        graph.row_memory_bytes / (card.share * card.memory_bytes_per_second),
        bulk.row_bytes / card.link_bytes_per_second,
    )


def card_limit(card: Card, graph: Graph, bulk: Bulk) -> str:
    """Which of them it is."""
    seconds = {
        "arithmetic": graph.row_flops / (card.share * card.flops),
        "its memory": graph.row_memory_bytes / (card.share * card.memory_bytes_per_second),
        "the link": bulk.row_bytes / card.link_bytes_per_second,
    }
    return max(seconds, key=lambda name: seconds[name])


def _moments(mix: Mix, seconds: Callable[[int], float]) -> tuple[float, float]:
    total = sum(mix.values())
    one = sum(share * seconds(rows) for rows, share in mix.items()) / total
    two = sum(share * seconds(rows) ** 2 for rows, share in mix.items()) / total
    return one, two
