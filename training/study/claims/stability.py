"""Claim 6: what the size of |det A| does to the stability and the price of synthesis."""

from typing import Final

from ..results import Results, number
from .claim import Case, Claim, all_hold, count, exceptions, none_holds, table
from .variants import plain, variants

SAID: Final = (
    "A determinant near 1 makes synthesis more stable and efficient; a small one brings numerical instability."
)
NEUTRAL: Final = 1.0


def judge(results: Results) -> Claim:
    """Held determinants against 1: float32 error and steps to a given loss; and matrices designed one by one."""
    fitted = results.where(experiment="triangular")
    held = [det for det in fitted.distinct("det") if det != NEUTRAL]
    stable: list[Case] = []
    quick: list[Case] = []
    small: list[Case] = []
    for data in fitted.distinct("data"):
        one = fitted.where(data=data, det=NEUTRAL)
        for det in held:
            other, where = fitted.where(data=data, det=det), f"{data}, {plain(det)}"
            stable.append(Case(where, one.spread("round_trip").high < other.spread("round_trip").low))
            small += stable[-1:] if float(det or 0) < NEUTRAL else []
            quick.append(Case(where, one.spread("steps_to_level").high < other.spread("steps_to_level").low))
    designed = results.where(experiment="designed")
    by_det, by_condition = _factors(designed)
    evidence = {
        "synthesis": {data: _synthesis(fitted.where(data=data)) for data in fitted.distinct("data")},
        "stable": count(stable),
        "small": count(small),
        "worst": number(fitted.spread("round_trip").high),
        "stable_exceptions": exceptions(stable),
        "quick": count(quick),
        "quick_exceptions": exceptions(quick),
        "served": _served(results.where(experiment="served")),
        "designed": _designed(designed),
        "by_det": number(by_det),
        "by_condition": number(by_condition),
    }
    pace = results.where(experiment="served").spread("microseconds_per_sample")
    slower = 100 * (pace.high / pace.low - 1)
    figure = (
        f"error changes {number(by_det)} times with the determinant, {number(by_condition)} times with the condition "
        f"number; fewer steps at 1 in {count(quick)}, smaller error in {count(stable)} comparisons; worst round trip "
        f"{fitted.spread('round_trip')}; microseconds a sample over all variants {pace}"
    )
    verdict = _verdict(stable, quick, condition_decides=by_det < by_condition)
    return Claim(6, SAID, f"{verdict}; the slowest sample takes {slower:.0f} % longer", figure, evidence)


def _verdict(stable: list[Case], quick: list[Case], *, condition_decides: bool) -> str:
    parts = [f"stability {_share(stable)}", f"efficiency of training {_share(quick)}"]
    if all_hold([*stable, *quick]):
        return "holds"
    cause = "; the condition number brings instability, not the determinant" if condition_decides else ""
    head = "fails" if none_holds([*stable, *quick]) else "holds only in part"
    return f"{head}: {', '.join(parts)}{cause}"


def _share(cases: list[Case]) -> str:
    if all_hold(cases):
        return "holds"
    return "fails" if none_holds(cases) else f"in {count(cases)} comparisons"


def _synthesis(chosen: Results) -> str:
    head = [
        "variant",
        "parameters",
        "worst condition",
        "round trip, float32",
        "log_prob error, nats",
        "setbacks",
        "steps",
    ]
    rows = [
        [
            name,
            int(part.spread("parameters").mean),
            part.spread("condition"),
            part.spread("round_trip"),
            part.spread("log_prob_error"),
            int(sum(part.values("setbacks")) + sum(part.values("skipped"))),
            part.spread("steps_to_level"),
        ]
        for name, part in variants(chosen).items()
    ]
    return table(head, rows)


def _served(rows: Results) -> str:
    lines = [
        [name, f"{part.spread('microseconds_per_sample').mean:.2f}", part.spread("parity"), part.spread("round_trip")]
        for name, part in variants(rows).items()
    ]
    return table(["variant, as exported", "microseconds a sample", "parity", "round trip"], lines)


def _designed(rows: Results) -> str:
    dets = rows.distinct("det")
    lines = []
    for condition in sorted({round(value) for value in rows.values("condition")}):
        near = Results(row for row in rows if round(row.figures["condition"]) == condition)
        lines.append(
            [number(float(condition)), *(number(near.where(det=det).spread("round_trip").mean) for det in dets)]
        )
    return table(["condition number", *(f"det A = {plain(det)}" for det in dets)], lines)


def _factors(rows: Results) -> tuple[float, float]:
    by_det, by_condition = 1.0, 1.0
    for condition in {round(value) for value in rows.values("condition")}:
        errors = [row.figures["round_trip"] for row in rows if round(row.figures["condition"]) == condition]
        by_det = max(by_det, max(errors) / min(errors))
    for det in rows.distinct("det"):
        errors = rows.where(det=det).values("round_trip")
        by_condition = max(by_condition, max(errors) / min(errors))
    return by_det, by_condition
