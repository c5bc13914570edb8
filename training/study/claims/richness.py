"""Claim 7: what the size of |det A| does to the richness of the model and of its samples."""

from itertools import product
from typing import Final

from ..results import Results, Spread, Value
from .claim import Case, Claim, all_hold, count, exceptions, none_holds, table
from .variants import plain, variants

SAID: Final = "A higher determinant means a richer model and richer samples."
NEUTRAL: Final = 1.0
# What a richer model has less of, and richer samples more of.
BETTER: Final = {"nll": -1, "coverage": 1, "sample_entropy": 1}
NAMES: Final = {"nll": "loss", "coverage": "coverage", "sample_entropy": "entropy"}


def judge(results: Results) -> Claim:
    """Richness at the highest held determinant against the lowest, and against 1; and where the determinant goes."""
    fitted = results.where(experiment="triangular")
    highest = fitted.distinct("det")[-1]
    cases: list[Case] = []
    blurred: list[Case] = []
    for data, other in product(fitted.distinct("data"), (fitted.distinct("det")[0], NEUTRAL)):
        high, low = (fitted.where(data=data, det=det) for det in (highest, other))
        for figure in BETTER:
            richer = _better(figure, high, low)
            cases.append(Case(f"{NAMES[figure]}, {data}, {plain(highest)} over {plain(other)}", richer))
            if figure == "sample_entropy" and richer:
                blurred.append(Case(str(data), high.spread("nll").mean > low.spread("nll").mean))
    losses = "; ".join(f"{data} {_above(fitted.where(data=data), highest)}" for data in fitted.distinct("data"))
    lowest = {data: _lowest(fitted.where(data=data)) for data in fitted.distinct("data")}
    best = ", ".join(f"{data} {plain(det)}" for data, det in lowest.items())
    learned = fitted.where(det=None)
    evidence = {
        "richness": {data: _richness(fitted.where(data=data)) for data in fitted.distinct("data")},
        "richer": count(cases),
        "exceptions": exceptions(cases),
        "blurred": count(blurred) if blurred else "none",
        "highest": plain(highest),
        "losses": losses,
        "best": best,
        "gains": _gains(learned),
    }
    figure = f"loss at det A = {plain(highest)} less that at 1, nats: {losses}; lowest loss at det A: {best}"
    verdict = _verdict(cases, [Case(str(data), det == highest) for data, det in lowest.items()])
    return Claim(7, SAID, verdict, figure, evidence)


def _verdict(cases: list[Case], best: list[Case]) -> str:
    if all_hold(cases):
        return "holds"
    richer = f"{count(cases)} comparisons come out richer"
    if none_holds(best):
        return f"fails: the lowest loss is nowhere at the highest determinant; {richer}"
    return f"holds only on {', '.join(case.where for case in best if case.holds)}; {richer}"


def _better(figure: str, high: Results, low: Results) -> bool:
    above, below = high.spread(figure), low.spread(figure)
    return above.low > below.high if BETTER[figure] > 0 else above.high < below.low


def _above(chosen: Results, det: Value) -> Spread:
    """Test loss at this determinant less that at 1, each seed against itself."""
    pairs = zip(chosen.where(det=det).values("nll"), chosen.where(det=NEUTRAL).values("nll"), strict=True)
    differences = [there - here for there, here in pairs]
    return Spread(sum(differences) / len(differences), min(differences), max(differences))


def _lowest(chosen: Results) -> Value:
    return min(chosen.distinct("det"), key=lambda det: chosen.where(det=det).spread("nll").mean)


def _richness(chosen: Results) -> str:
    loss = "kl" if chosen.has("kl") else "nll"
    names = {"kl": "KL, nats", "nll": "loss, nats"}
    head = ["variant", names[loss], "entropy of samples", "coverage", "density", "mean log det"]
    figures = [loss, "sample_entropy", "coverage", "density", "mean_ladj"]
    rows = [[name, *(part.spread(figure) for figure in figures)] for name, part in variants(chosen).items()]
    return table(head, rows)


def _gains(learned: Results) -> str:
    blocks = learned.distinct("block")
    head = ["data", *("A = I" if not block else f"A learned, blocks of {block}" for block in blocks)]
    rows = [
        [data, *(learned.where(data=data, block=block).spread("nll") for block in blocks)]
        for data in learned.distinct("data")
    ]
    return table(head, rows)
