"""simulated.md: each formula beside its simulation, and what the studies show."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from benchmarks.scale import formulas
from benchmarks.scale.checks import HOLDS, Check
from benchmarks.scale.costs import Costs
from benchmarks.scale.studies import CONNECTIONS, LIMIT, LOAD, Point
from benchmarks.scale.text import number, percent, signed, table
from benchmarks.scale.traffic import MIX

INTRODUCTION: Final = """\
# Routing and batching, simulated

`python -m benchmarks.scale` writes this page and the picture of [`docs/scaling.md`](../../docs/scaling.md). Requests
pass proxies, are routed to replicas and wait there for the turns of a loop like that of `service/batcher.py`; what a
step costs is in [`costs.toml`](costs.toml). The same seed gives the same page."""


ROUTING: Final = """\
Load {load} of saturation; {mix}. Proxies cost nothing here; each knows only what
it has sent itself. p99, ms:"""

OVERLOAD: Final = """\
One replica is sent a multiple of what saturates it. What it answers, of what saturates it, and by the formula. At most
{limit}: the proxy refuses a request when so many are at the replica. The formula is the limit of a long time; a run of
single rows is far from it while nothing has been refused yet."""


def page(costs: Costs, found: Sequence[Check], points: Sequence[Point]) -> str:
    """All of it."""
    parts = [
        INTRODUCTION,
        "## Formula and simulation",
        _checks(found),
        "## Routing",
        ROUTING.format(load=percent(LOAD), mix=_mix()),
        _policies(points, lambda point: number(1e3 * point.p99)),
        "Requests at the fullest replica when the last request came:",
        _policies(points, lambda point: f"{point.longest}"),
        "## Through proxies",
        f"As fast as {CONNECTIONS} connections a replica ask; requests/s, and of the formula:",
        _throughput(costs, points),
        "## Batches",
        "One replica, requests of one row.",
        _batches(points),
        "## Overload",
        OVERLOAD.format(limit=LIMIT),
        _overload(costs, points),
    ]
    return "\n\n".join(parts) + "\n"


def _mix() -> str:
    return "of the requests " + ", ".join(f"{percent(share)} bring {rows:,}" for rows, share in MIX.items()) + " rows"


def _checks(found: Iterable[Check]) -> str:
    rows = [
        [
            f"`{check.claim.formula}`",
            check.claim.case,
            HOLDS[check.claim.formula],
            f"{number(check.claim.expected)} {check.claim.unit}",
            f"{number(check.simulated)} {check.claim.unit}",
            signed(check.difference),
        ]
        for check in found
    ]
    return table(["[formula](formulas.py)", "case", "holds", "formula", "simulation", "differs"], rows)


def _policies(points: Sequence[Point], cell: Callable[[Point], str]) -> str:
    return _grid([point for point in points if point.study == "policies"], "replicas", cell)


def _throughput(costs: Costs, points: Sequence[Point]) -> str:
    def cell(point: Point) -> str:
        return (
            f"{number(point.requests_per_second)} ({percent(point.requests_per_second / expected_rate(costs, point))})"
        )

    return _grid([point for point in points if point.study == "throughput"], "replicas", cell)


def _grid(points: Sequence[Point], corner: str, cell: Callable[[Point], str]) -> str:
    columns = list(dict.fromkeys(point.at for point in points))
    rows = [[name, *(cell(point) for point in line)] for name, line in lines(points)]
    return table([corner, *(f"{at:,g}" for at in columns)], rows)


def lines(points: Iterable[Point]) -> Iterator[tuple[str, list[Point]]]:
    """The points of each series, in the order in which they were made."""
    found: dict[str, list[Point]] = {}
    for point in points:
        found.setdefault(point.series, []).append(point)
    yield from found.items()


def expected_rate(costs: Costs, point: Point) -> float:
    """Requests/s that the formula gives for a point of the study of throughput."""
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
            *(number(1e3 * figure) for figure in (point.mean, point.p50, point.p99)),
        ]
        for point in points
        if point.study == "batching"
    ]
    return table(["", "requests/s", "core in use", "rows a call", "mean, ms", "p50, ms", "p99, ms"], rows)


def _overload(costs: Costs, points: Sequence[Point]) -> str:
    def cell(point: Point) -> str:
        share = point.requests_per_second / saturated(costs, point)
        return f"{percent(share)} ({percent(expected_goodput(costs, point))})"

    return _grid([point for point in points if point.study == "overload"], "times saturation", cell)


def saturated(costs: Costs, point: Point) -> float:
    """Requests/s that saturate the replica of a point of the study of overload."""
    return formulas.saturation(costs.replica(), {point.rows: 1.0})


def expected_goodput(costs: Costs, point: Point) -> float:
    """The formula's, in saturations; a limit at the proxy is as if there were so many connections."""
    most = saturated(costs, point)
    if point.limit is not None:
        return min(point.at, formulas.closed_rate(costs.replica(), point.rows, point.limit) / most)
    return formulas.goodput(costs.replica(), {point.rows: 1.0}, point.at * most) / most
