"""The targets for diffeo beside the measured values. The code decides whether a target is met."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchmarks.markdown import number
from benchmarks.serving.load.wrk import Load
from benchmarks.serving.report.summary import Summary, p50, ratio
from benchmarks.serving.scenarios import fairness, precision, sampling
from benchmarks.serving.servers.catalogue import OURS

FIRST: Final = OURS[0].key
ONE_ROW: Final = Load(1, 1)
ONE_ROW_32: Final = Load(1, 32)
ROWS_64: Final = Load(64, 32)
ROWS_1024: Final = Load(1024, 8)


@dataclass(frozen=True, slots=True)
class Target:
    """One target; `met` is None if nothing was measured."""

    name: str
    bound: str
    measured: str
    met: bool | None


def targets(summary: Summary) -> list[Target]:
    """All targets in the order of the page."""
    return [*_loads(summary), *_in_process(summary), *_samples(summary), *_fairness(summary), _precision(summary)]


def _loads(summary: Summary) -> list[Target]:
    requests = "requests/s, divided by those of"
    return [
        _at_least(f"{ONE_ROW_32}: {requests} Triton", summary.times(FIRST, "triton", ONE_ROW_32), 5),
        _at_least(f"{ONE_ROW_32}: {requests} MLServer with batching", summary.times(FIRST, "mlserver", ONE_ROW_32), 8),
        _at_least(
            f"{ONE_ROW_32}: {requests} MLServer without batching",
            summary.times(FIRST, "mlserver-plain", ONE_ROW_32),
            8,
        ),
        _at_most(
            f"{ONE_ROW}: p50, divided by that of FastAPI by hand", summary.times(FIRST, "fastapi", ONE_ROW, p50), 0.6
        ),
        _at_least(f"{ROWS_64}: {requests} Triton", summary.times(FIRST, "triton", ROWS_64), 3.5),
        _at_least(f"{ROWS_1024}: {requests} Triton", summary.times(FIRST, "triton", ROWS_1024), 2.5),
        _at_most("errors under all loads", summary.errors(FIRST), 0, ""),
    ]


def _in_process(summary: Summary) -> list[Target]:
    name = "1024 rows, 8 connections, npy: rows/s, as a share of those in process, {}"
    shares = {graph: summary.npy_share(FIRST, graph) for graph in ("flow64", "flow512")}
    return [_at_least(name.format(graph), _in_percent(share), 80, " %") for graph, share in shares.items()]


def _samples(summary: Summary) -> list[Target]:
    found: list[Target] = []
    for media in sampling.MEDIA_TYPES:
        name = f"a million rows drawn, {media}"
        failure = summary.sample_failure(media)
        share = _in_percent(summary.sample_share(media))
        first_rows = summary.sample(media, lambda one: one.first_rows_ms)
        measured = [
            _at_least(f"{name}: rows/s, as a share of those in process", share, 70, " %"),
            _below(f"{name}: growth of the server's memory", summary.growth_mb(media), 64, " MB"),
            _below(f"{name}: time until the first rows", first_rows, 50, " ms"),
        ]
        found += [Target(one.name, one.bound, failure, None) for one in measured] if failure else measured
    return found


def _fairness(summary: Summary) -> list[Target]:
    bound = summary.fair_p99_ms()
    found: list[Target] = []
    for heavy_load in fairness.HEAVY_LOADS:
        p99 = summary.fairness(heavy_load, lambda result: result.p99_ms)
        name = f"one row, while {heavy_load}: p99"
        rule = "≤ 3 x alone + one chunk"
        if bound is None or p99 is None:
            found.append(Target(name, rule, "not measured", None))
        else:
            found.append(Target(name, f"{rule} = {number(bound)} ms", f"{number(p99)} ms", p99 <= bound))
    return found


def _precision(summary: Summary) -> Target:
    gain = ratio(summary.precision(precision.INT8), summary.precision(precision.FLOAT32))
    target = _at_least("flow512, 1024 rows, 8 connections, npy: rows/s in int8, divided by those in float32", gain, 3)
    if "precision" in summary.results.scenarios and gain is None:
        return Target(target.name, target.bound, "not built", None)
    return target


def _in_percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _at_least(name: str, measured: float | None, bound: float, unit: str = " x") -> Target:
    return _target(name, f"≥ {bound:g}{unit}", measured, unit, lambda value: value >= bound)


def _at_most(name: str, measured: float | None, bound: float, unit: str = " x") -> Target:
    return _target(name, f"≤ {bound:g}{unit}", measured, unit, lambda value: value <= bound)


def _below(name: str, measured: float | None, bound: float, unit: str) -> Target:
    return _target(name, f"< {bound:g}{unit}", measured, unit, lambda value: value < bound)


def _target(name: str, bound: str, measured: float | None, unit: str, met: Callable[[float], bool]) -> Target:
    if measured is None:
        return Target(name, bound, "not measured", None)
    return Target(name, bound, f"{number(measured)}{unit}", met(measured))
