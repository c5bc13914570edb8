"""Claim 6: the effect of |det A| on the stability and the cost of synthesis."""

from typing import Final

from ..results import Results, number
from .claim import Claim, Comparison, all_hold, count, exceptions, none_holds, table
from .variants import plain, variants

STATEMENT: Final = (
    "A determinant near 1 makes synthesis more stable and efficient; a small one brings numerical instability."
)
NEUTRAL: Final = 1.0


def judge(results: Results) -> Claim:
    """Compares fixed determinants with 1 by float32 error and by training steps; designed matrices show the cause."""
    fitted = results.where(experiment="triangular")
    others = [det for det in fitted.distinct("det") if det != NEUTRAL]
    stable: list[Comparison] = []
    quick: list[Comparison] = []
    small: list[Comparison] = []
    for data in fitted.distinct("data"):
        one = fitted.where(data=data, det=NEUTRAL)
        for det in others:
            other, name = fitted.where(data=data, det=det), f"{data}, {plain(det)}"
            stable.append(Comparison(name, one.spread("round_trip").high < other.spread("round_trip").low))
            small += stable[-1:] if float(det or 0) < NEUTRAL else []
            quick.append(Comparison(name, one.spread("steps_to_level").high < other.spread("steps_to_level").low))
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
        "served": _exported(results.where(experiment="served")),
        "designed": _designed(designed),
        "by_det": number(by_det),
        "by_condition": number(by_condition),
    }
    microseconds = results.where(experiment="served").spread("microseconds_per_sample")
    slowest = 100 * (microseconds.high / microseconds.low - 1)
    result = (
        f"the error changes by a factor of {number(by_det)} with the determinant and of {number(by_condition)} with "
        f"the condition number; fewer steps at 1 in {count(quick)}, smaller error in {count(stable)} comparisons; "
        f"worst round trip {fitted.spread('round_trip')}; microseconds per sample over all variants {microseconds}"
    )
    verdict = _verdict(stable, quick, condition_decides=by_det < by_condition)
    return Claim(
        6, STATEMENT, f"{verdict}; the slowest variant takes {slowest:.0f} % longer per sample", result, evidence
    )


def _verdict(stable: list[Comparison], quick: list[Comparison], *, condition_decides: bool) -> str:
    parts = [f"stability {_share(stable)}", f"efficiency of training {_share(quick)}"]
    if all_hold([*stable, *quick]):
        return "holds"
    cause = "; the condition number causes instability, not the determinant" if condition_decides else ""
    head = "fails" if none_holds([*stable, *quick]) else "holds only in part"
    return f"{head}: {', '.join(parts)}{cause}"


def _share(comparisons: list[Comparison]) -> str:
    if all_hold(comparisons):
        return "holds"
    return "fails" if none_holds(comparisons) else f"in {count(comparisons)} comparisons"


def _synthesis(chosen: Results) -> str:
    head = [
        "variant",
        "parameters",
        "worst condition",
        "round trip, float32",
        "log_prob error, nats",
        "rollbacks and skipped steps",
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


def _exported(rows: Results) -> str:
    lines = [
        [name, f"{part.spread('microseconds_per_sample').mean:.2f}", part.spread("parity"), part.spread("round_trip")]
        for name, part in variants(rows).items()
    ]
    return table(["variant, as exported", "microseconds per sample", "parity", "round trip"], lines)


def _designed(rows: Results) -> str:
    dets = rows.distinct("det")
    lines = []
    for condition in sorted({round(value) for value in rows.values("condition")}):
        near = Results(row for row in rows if round(row.metrics["condition"]) == condition)
        lines.append(
            [number(float(condition)), *(number(near.where(det=det).spread("round_trip").mean) for det in dets)]
        )
    return table(["condition number", *(f"det A = {plain(det)}" for det in dets)], lines)


def _factors(rows: Results) -> tuple[float, float]:
    by_det, by_condition = 1.0, 1.0
    for condition in {round(value) for value in rows.values("condition")}:
        errors = [row.metrics["round_trip"] for row in rows if round(row.metrics["condition"]) == condition]
        by_det = max(by_det, max(errors) / min(errors))
    for det in rows.distinct("det"):
        errors = rows.where(det=det).values("round_trip")
        by_condition = max(by_condition, max(errors) / min(errors))
    return by_det, by_condition
