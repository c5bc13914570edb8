"""Renders benchmarks/results/scale-simulated.md: each formula beside its simulation, and the results of the studies."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from benchmarks.markdown import number, percent, signed_percent, table
from benchmarks.scale.costs.costs import Costs
from benchmarks.scale.costs.request_mix import MIX
from benchmarks.scale.formulas import formulas
from benchmarks.scale.studies.checks import VALID_FOR, Check
from benchmarks.scale.studies.studies import CONNECTIONS, LIMIT, LOAD, Point

INTRODUCTION: Final = """\
# Routing and batching, simulated

`python -m benchmarks.scale` writes this page and the plot of [`docs/scaling.md`](../../docs/scaling.md). Requests pass
proxies, are routed to replicas and wait there for a turn of an event loop with the batcher of the service. The costs of
each step are in [`costs.toml`](../scale/costs/costs.toml). The same seed gives the same page."""

ROUTING: Final = """\
The load is {load} of saturation; {mix}.
Proxies cost nothing here. Each proxy counts only the requests that it has sent itself. p99 in ms:"""

THROUGH_PROXIES: Final = """\
{connections} connections per replica send the next request as soon as the last one is answered. The cells show
requests/s, and in brackets their share of the formula."""

OVERLOAD: Final = """\
One replica gets a multiple of the rate that saturates it. The cells show the answered rate as a share of that rate, and
in brackets the share by the formula. "At most {limit}" means: the proxy rejects a request when {limit} requests are at
the replica. The formula is the limit of a long time. A run with single rows stays above it until the queue is full."""


def page(costs: Costs, checks: Sequence[Check], points: Sequence[Point]) -> str:
    """The whole page as Markdown."""
    sections = [
        INTRODUCTION,
        "## Formula and simulation",
        _checks(checks),
        "## Routing",
        ROUTING.format(load=percent(LOAD), mix=_mix()),
        _policies(points, lambda point: number(1e3 * point.p99)),
        "Requests at the fullest replica when the last request arrived:",
        _policies(points, lambda point: f"{point.longest_queue}"),
        "## Through proxies",
        THROUGH_PROXIES.format(connections=CONNECTIONS),
        _throughput(costs, points),
        "## Batches",
        "One replica, requests of one row.",
        _batches(points),
        "## Overload",
        OVERLOAD.format(limit=LIMIT),
        _overload(costs, points),
    ]
    return "\n\n".join(sections) + "\n"


def _mix() -> str:
    shares = [f"{percent(share)} have {rows:,} row{'s' * (rows > 1)}" for rows, share in MIX.items()]
    return f"of the requests {', '.join(shares)}"


def _checks(checks: Iterable[Check]) -> str:
    rows = [
        [
            f"`{check.prediction.formula}`",
            check.prediction.case,
            VALID_FOR[check.prediction.formula],
            f"{number(check.prediction.expected)} {check.prediction.unit}",
            f"{number(check.simulated)} {check.prediction.unit}",
            signed_percent(check.difference),
        ]
        for check in checks
    ]
    head = ["[formula](../scale/formulas/formulas.py)", "case", "valid for", "formula", "simulation", "difference"]
    return table(head, rows)


def _policies(points: Sequence[Point], cell: Callable[[Point], str]) -> str:
    return _grid([point for point in points if point.study == "policies"], "replicas", cell)


def _throughput(costs: Costs, points: Sequence[Point]) -> str:
    def cell(point: Point) -> str:
        share = point.requests_per_second / expected_rate(costs, point)
        return f"{number(point.requests_per_second)} ({percent(share)})"

    return _grid([point for point in points if point.study == "throughput"], "replicas", cell)


def _grid(points: Sequence[Point], corner: str, cell: Callable[[Point], str]) -> str:
    columns = list(dict.fromkeys(point.at for point in points))
    rows = [[name, *(cell(point) for point in line)] for name, line in series(points)]
    return table([corner, *(f"{at:,g}" for at in columns)], rows)


def series(points: Iterable[Point]) -> Iterator[tuple[str, list[Point]]]:
    """The points of each series, in the order of their runs."""
    found: dict[str, list[Point]] = {}
    for point in points:
        found.setdefault(point.series, []).append(point)
    yield from found.items()


def expected_rate(costs: Costs, point: Point) -> float:
    """Requests/s by the formula, for a point of the study of throughput."""
    replica = formulas.closed_rate(costs.replica(), point.rows, CONNECTIONS)
    seconds = costs.proxy.seconds(point.rows, "json")
    return formulas.proxied_rate(replica, point.at, seconds, point.proxies)


def _batches(points: Sequence[Point]) -> str:
    rows = [
        [
            point.series,
            number(point.at),
            percent(point.utilisation),
            number(point.batch_rows),
            *(number(1e3 * seconds) for seconds in (point.mean, point.p50, point.p99)),
        ]
        for point in points
        if point.study == "batching"
    ]
    return table(["", "requests/s", "core in use", "rows per call", "mean, ms", "p50, ms", "p99, ms"], rows)


def _overload(costs: Costs, points: Sequence[Point]) -> str:
    def cell(point: Point) -> str:
        share = point.requests_per_second / saturation(costs, point)
        return f"{percent(share)} ({percent(expected_goodput(costs, point))})"

    return _grid([point for point in points if point.study == "overload"], "times saturation", cell)


def saturation(costs: Costs, point: Point) -> float:
    """Requests/s that saturate the replica, for a point of the study of overload."""
    return formulas.saturation(costs.replica(), {point.rows: 1.0})


def expected_goodput(costs: Costs, point: Point) -> float:
    """Answered share of the saturation by the formula. A limit at the proxy acts like as many connections."""
    maximum = saturation(costs, point)
    if point.limit is not None:
        return min(point.at, formulas.closed_rate(costs.replica(), point.rows, point.limit) / maximum)
    return formulas.goodput(costs.replica(), {point.rows: 1.0}, point.at * maximum) / maximum
