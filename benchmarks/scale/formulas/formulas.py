"""The formulas for latency, throughput and price, each with its source and its range.

c, a, p and b are those of costs.ReplicaCosts. `rate` is the number of requests per second at one replica. `mix` is the
share of the requests by rows. A turn of the event loop with k requests and R rows in all takes a + k c + (p + b) R.

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
from collections.abc import Callable
from typing import Final

from benchmarks.scale.costs.costs import BulkCosts, Gpu, Graph, ReplicaCosts, StorageCosts
from benchmarks.scale.costs.request_mix import Mix, mean_rows

TERMS: Final = 10  # terms of the series for two choices; its exponents double


def idle_latency(costs: ReplicaCosts, rows: int) -> float:
    """Latency of a request at an idle replica: c + a + (p + b) rows. Valid for rows <= chunk_rows."""
    return costs.turn_seconds + costs.seconds(rows)


def saturation(costs: ReplicaCosts, mix: Mix) -> float:
    """Requests/s of one replica whose chunks are full: 1 / (c + E[rows] (p + b + a / chunk_rows)).

    Valid for many clients. With few clients the chunks are not full, and each row carries a larger part of a.
    """
    rows = mean_rows(mix)
    return 1 / (costs.seconds(rows) + costs.turn_seconds * rows / costs.chunk_rows)


def closed_rate(costs: ReplicaCosts, rows: int, connections: float) -> float:
    """Requests/s of one replica with this many connections, by operational analysis: a turn serves half of them.

    The other half gets its answers at the beginning of the turn and sends its next requests during the turn. Valid for
    requests of equal size; one turn takes at most a chunk of rows. If a connection sends its next request to another
    replica, turns are up to a third larger.
    """
    per_turn = max(1.0, min(connections / 2, costs.chunk_rows / rows))
    return 1 / (costs.seconds(rows) + costs.turn_seconds / per_turn)


def unbatched_latency(costs: ReplicaCosts, mix: Mix, rate: float, burst: float = 1.0) -> float:
    """Mean latency with one request per turn: M/G/1, Pollaczek-Khinchine; for bursts M^X/G/1.

    E[S] + (rate E[S^2] + (E[X (X - 1)] / E[X]) E[S]) / (2 (1 - rate E[S])), and for geometric bursts of mean m
    E[X (X - 1)] / E[X] = 2 (m - 1). Valid for rate E[S] < 1.
    """
    one, two = _moments(mix, lambda rows: idle_latency(costs, rows))
    return one + (rate * two + 2 * (burst - 1) * one) / (2 * (1 - rate * one))


def batched_latency(costs: ReplicaCosts, mix: Mix, rate: float) -> float:
    """An upper bound for the mean latency with batching; it assumes that the loop also turns when no request is there.

    Let H be the length of a turn and S = c + (p + b) rows. Turns form a chain H' = a + the sum of S over the requests
    that arrive during H. With u = rate E[S], E[H] = a / (1 - u) and E[H^2] / E[H] = E[H] + rate E[S^2] / (1 - u^2). A
    request waits for half of the turn in which it arrives (an arrival meets longer turns more often) and for the
    whole next turn. For requests of one size this is Inoue's second bound. Near an idle server it is half a turn too
    high; there Inoue's first bound is lower and is used. Valid for u < 1 while turns do not fill a chunk.
    """
    one, two = _moments(mix, costs.seconds)
    a, used = costs.turn_seconds, rate * one
    length = a / (1 - used) + rate * two / (1 - used**2)
    second_bound = (0.5 + used) * length + one + a
    if len(mix) > 1:
        return second_bound
    first_bound = (one + a) / (2 * (1 - used)) * (1 + 2 * rate * a + (1 - rate * a) / (1 + used))
    return min(second_bound, first_bound)


def goodput(costs: ReplicaCosts, mix: Mix, rate: float) -> float:
    """Answered requests/s of one replica that gets `rate` requests/s, in the limit of a long time.

    Beyond saturation the replica still reads every request, and only the rest of its core computes: receive livelock.
    When reading takes the whole core, nothing is answered. Requests are rejected independently of their size.
    """
    if rate <= saturation(costs, mix):
        return rate
    rows = mean_rows(mix)
    reading = costs.request_seconds + costs.read_seconds * rows
    computing = rows * (costs.row_seconds + costs.turn_seconds / costs.chunk_rows)
    return max(0.0, (1 - rate * reading) / computing)


def random_sojourn(load: float) -> float:
    """Mean time in the system, in units of the mean service, for replicas chosen at random: M/M/1, 1 / (1 - load)."""
    return 1 / (1 - load)


def two_choices_sojourn(load: float) -> float:
    """The same for the better of two random replicas: sum over i >= 1 of load^(2^i - 2).

    Valid for very many replicas, exponential services, no batching, and one proxy that counts all requests.
    """
    return sum(math.pow(load, 2**i - 2) for i in range(1, TERMS + 1))


def proxied_rate(replica_rate: float, replicas: float, proxy_seconds: float, proxies: int) -> float:
    """Requests/s through `proxies` cores: the smaller of the rates of proxies and replicas."""
    return min(replicas * replica_rate, proxies / proxy_seconds)


def bulk_core_rate(bulk: BulkCosts, row_seconds: float) -> float:
    """Rows/s of one core in a job over files: one block after the other, each with its fixed cost."""
    return bulk.block_rows / (bulk.block_seconds + bulk.block_rows * (bulk.read_seconds_per_row + row_seconds))


def bulk_rate(bulk: BulkCosts, row_seconds: float, cores: float, bytes_per_second: float) -> float:
    """Rows/s of many cores on one network link: min(cores / (Z + D), 1 / D).

    Z is the time of a core for a row, D the time of the link for a row. Both are upper bounds of operational analysis.
    Where the two are close, the true rate is below both.
    """
    link = bulk.row_bytes / bytes_per_second
    return min(cores / (1 / bulk_core_rate(bulk, row_seconds) + link), 1 / link)


def prefixes(storage: StorageCosts, bulk: BulkCosts, rows_per_second: float) -> int:
    """Number of prefixes (folders) of the object store that keeps each below its limit of requests per second."""
    blocks = rows_per_second / bulk.block_rows
    return 1 + int(blocks / min(storage.prefix_reads_per_second, storage.prefix_writes_per_second))


def gpu_rate(gpu: Gpu, graph: Graph, bulk: BulkCosts) -> float:
    """Rows/s of a GPU by its roofline: the slowest of arithmetic, memory and the link to its machine."""
    return 1 / max(_gpu_seconds(gpu, graph, bulk).values())


def gpu_limit(gpu: Gpu, graph: Graph, bulk: BulkCosts) -> str:
    """The part that limits the GPU."""
    seconds = _gpu_seconds(gpu, graph, bulk)
    return max(seconds, key=lambda name: seconds[name])


def _gpu_seconds(gpu: Gpu, graph: Graph, bulk: BulkCosts) -> dict[str, float]:
    """Seconds per row, by part."""
    return {
        "arithmetic": graph.row_flops / (gpu.share * gpu.flops),
        "its memory": graph.row_memory_bytes / (gpu.share * gpu.memory_bytes_per_second),
        "the link": bulk.row_bytes / gpu.link_bytes_per_second,
    }


def _moments(mix: Mix, seconds: Callable[[int], float]) -> tuple[float, float]:
    total = sum(mix.values())
    one = sum(share * seconds(rows) for rows, share in mix.items()) / total
    two = sum(share * seconds(rows) ** 2 for rows, share in mix.items()) / total
    return one, two
