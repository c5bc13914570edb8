"""Claim 7: the effect of |det A| on the richness of the model and of its samples."""

from itertools import product
from typing import Final

from ..results import Results, Spread, Value
from .claim import Claim, Comparison, all_hold, count, exceptions, none_holds, table
from .variants import plain, variants

STATEMENT: Final = "A higher determinant means a richer model and richer samples."
NEUTRAL: Final = 1.0
# A richer model has a lower loss; richer samples have higher coverage and entropy.
BETTER: Final = {"nll": -1, "coverage": 1, "sample_entropy": 1}
NAMES: Final = {"nll": "loss", "coverage": "coverage", "sample_entropy": "entropy"}


def judge(results: Results) -> Claim:
    """Compares the highest fixed determinant with the lowest, and with 1."""
    fitted = results.where(experiment="triangular")
    highest = fitted.distinct("det")[-1]
    comparisons: list[Comparison] = []
    blurred: list[Comparison] = []  # a higher entropy with a higher loss
    for data, other in product(fitted.distinct("data"), (fitted.distinct("det")[0], NEUTRAL)):
        high, low = (fitted.where(data=data, det=det) for det in (highest, other))
        for metric in BETTER:
            richer = _richer(metric, high, low)
            name = f"{NAMES[metric]}, {data}, {plain(highest)} over {plain(other)}"
            comparisons.append(Comparison(name, richer))
            if metric == "sample_entropy" and richer:
                blurred.append(Comparison(str(data), high.spread("nll").mean > low.spread("nll").mean))
    by_data = {data: fitted.where(data=data) for data in fitted.distinct("data")}
    losses = "; ".join(f"{data} {_difference_to_neutral(rows, highest)}" for data, rows in by_data.items())
    lowest = {data: _det_of_lowest_loss(rows) for data, rows in by_data.items()}
    best = ", ".join(f"{data} {plain(det)}" for data, det in lowest.items())
    learned = fitted.where(det=None)
    evidence = {
        "richness": {data: _richness(rows) for data, rows in by_data.items()},
        "richer": count(comparisons),
        "exceptions": exceptions(comparisons),
        "blurred": count(blurred) if blurred else "none",
        "highest": plain(highest),
        "losses": losses,
        "best": best,
        "gains": _gains(learned),
    }
    result = f"loss at det A = {plain(highest)} minus that at 1, nats: {losses}; lowest loss at det A: {best}"
    verdict = _verdict(comparisons, [Comparison(str(data), det == highest) for data, det in lowest.items()])
    return Claim(7, STATEMENT, verdict, result, evidence)


def _verdict(comparisons: list[Comparison], best: list[Comparison]) -> str:
    if all_hold(comparisons):
        return "holds"
    richer = f"{count(comparisons)} comparisons are richer"
    if none_holds(best):
        return f"fails: the highest determinant has the lowest loss on no data set; {richer}"
    return f"holds only on {', '.join(data.name for data in best if data.holds)}; {richer}"


def _richer(metric: str, high: Results, low: Results) -> bool:
    above, below = high.spread(metric), low.spread(metric)
    return above.low > below.high if BETTER[metric] > 0 else above.high < below.low


def _difference_to_neutral(chosen: Results, det: Value) -> Spread:
    """Test loss at this determinant minus that at 1, seed by seed."""
    pairs = zip(chosen.where(det=det).values("nll"), chosen.where(det=NEUTRAL).values("nll"), strict=True)
    differences = [loss - neutral for loss, neutral in pairs]
    return Spread(sum(differences) / len(differences), min(differences), max(differences))


def _det_of_lowest_loss(chosen: Results) -> Value:
    return min(chosen.distinct("det"), key=lambda det: chosen.where(det=det).spread("nll").mean)


def _richness(chosen: Results) -> str:
    loss = "kl" if chosen.has("kl") else "nll"
    names = {"kl": "KL, nats", "nll": "loss, nats"}
    head = ["variant", names[loss], "entropy of samples", "coverage", "density", "mean log det"]
    metrics = [loss, "sample_entropy", "coverage", "density", "mean_ladj"]
    rows = [[name, *(part.spread(metric) for metric in metrics)] for name, part in variants(chosen).items()]
    return table(head, rows)


def _gains(learned: Results) -> str:
    blocks = learned.distinct("block")
    head = ["data", *("A = I" if not block else f"A learned, blocks of {block}" for block in blocks)]
    rows = [
        [data, *(learned.where(data=data, block=block).spread("nll") for block in blocks)]
        for data in learned.distinct("data")
    ]
    return table(head, rows)
