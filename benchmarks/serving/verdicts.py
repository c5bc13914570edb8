"""What is asked of the server, beside what was measured: each verdict is computed, none is typed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import fairness
import precision
import sampling
from figures import Figures, number, p50, ratio
from load import Load
from servers import OURS

FIRST: Final = OURS[0].key
ONE: Final = Load(1, 1)
MANY: Final = Load(1, 32)
SOME: Final = Load(64, 32)
FULL: Final = Load(1024, 8)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target; `holds` is None where nothing was measured."""

    claim: str
    asked: str
    measured: str
    holds: bool | None


def verdicts(figures: Figures) -> list[Verdict]:
    """Every target in the order of the page."""
    return [*_loads(figures), *_ceilings(figures), *_samples(figures), *_fairness(figures), _precision(figures)]


def _loads(figures: Figures) -> list[Verdict]:
    requests = "requests/s, in those of"
    return [
        _at_least(f"{MANY}: {requests} Triton", figures.times(FIRST, "triton", MANY), 5),
        _at_least(f"{MANY}: {requests} MLServer with batching", figures.times(FIRST, "mlserver", MANY), 8),
        _at_least(f"{MANY}: {requests} MLServer without batching", figures.times(FIRST, "mlserver-plain", MANY), 8),
        _at_most(f"{ONE}: p50, in that of FastAPI by hand", figures.times(FIRST, "fastapi", ONE, p50), 0.6),
        _at_least(f"{SOME}: {requests} Triton", figures.times(FIRST, "triton", SOME), 3.5),
        _at_least(f"{FULL}: {requests} Triton", figures.times(FIRST, "triton", FULL), 2.5),
        _at_most("errors under all loads", figures.errors(FIRST), 0, ""),
    ]


def _ceilings(figures: Figures) -> list[Verdict]:
    claim = "1024 rows, 8 connections, npy: rows/s, of those in process, {}"
    shares = {graph: figures.npy_share(FIRST, graph) for graph in ("flow64", "flow512")}
    return [_at_least(claim.format(graph), _percent(share), 80, " %") for graph, share in shares.items()]


def _samples(figures: Figures) -> list[Verdict]:
    found: list[Verdict] = []
    for form in sampling.FORMS:
        claim = f"a million rows drawn, {form}"
        fault = next((one.fault for one in figures.samples(form) if one.fault), "")
        first = figures.sample(form, lambda one: one.first_rows_ms)
        rows = [
            _at_least(f"{claim}: rows/s, of those in process", _percent(figures.sample_share(form)), 70, " %"),
            _below(f"{claim}: most that the server grows by", figures.growth_mb(form), 64, " MB"),
            _below(f"{claim}: until the first rows", first, 50, " ms"),
        ]
        found += [Verdict(row.claim, row.asked, fault, None) for row in rows] if fault else rows
    return found


def _fairness(figures: Figures) -> list[Verdict]:
    bound = figures.fair_p99_ms()
    found: list[Verdict] = []
    for beside in fairness.COMPANIES:
        p99 = figures.company(beside, lambda company: company.p99_ms)
        claim = f"one row, while {beside}: p99"
        asked = "≤ 3 x alone + one chunk"
        if bound is None or p99 is None:
            found.append(Verdict(claim, asked, "not measured", None))
        else:
            found.append(Verdict(claim, f"{asked} = {number(bound)} ms", f"{number(p99)} ms", p99 <= bound))
    return found


def _precision(figures: Figures) -> Verdict:
    gain = ratio(figures.precision(precision.SMALL), figures.precision(precision.FULL))
    verdict = _at_least("flow512, 1024 rows, 8 connections, npy: rows/s in int8, in those in float32", gain, 3)
    if "precision" in figures.results.scenarios and gain is None:
        return Verdict(verdict.claim, verdict.asked, "not built", None)
    return verdict


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _at_least(claim: str, measured: float | None, bound: float, unit: str = " x") -> Verdict:
    return _verdict(claim, f"≥ {bound:g}{unit}", measured, unit, lambda figure: figure >= bound)


def _at_most(claim: str, measured: float | None, bound: float, unit: str = " x") -> Verdict:
    return _verdict(claim, f"≤ {bound:g}{unit}", measured, unit, lambda figure: figure <= bound)


def _below(claim: str, measured: float | None, bound: float, unit: str) -> Verdict:
    return _verdict(claim, f"< {bound:g}{unit}", measured, unit, lambda figure: figure < bound)


def _verdict(claim: str, asked: str, measured: float | None, unit: str, holds: Callable[[float], bool]) -> Verdict:
    if measured is None:
        return Verdict(claim, asked, "not measured", None)
    return Verdict(claim, asked, f"{number(measured)}{unit}", holds(measured))
