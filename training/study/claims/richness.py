"""Claim 7: what the size of |det A| does to the richness of the model and of its samples."""

import math
from typing import Final

from training.study.claims.claim import Case, Claim, count, exceptions, table
from training.study.claims.variants import plain, variants
from training.study.results import Results, Spread, Value

SAID: Final = "A higher determinant means a richer model and richer samples."
NEUTRAL: Final = 1.0


def judge(results: Results) -> Claim:
    """Richness at the highest held determinant against the lowest, and against 1; and where the determinant goes."""
    fitted = results.where(experiment="triangular")
    held = fitted.distinct("det")
    cases: list[Case] = []
    slopes = []
    for data in fitted.distinct("data"):
        chosen = fitted.where(data=data)
        low, one, high = (chosen.where(det=det) for det in (held[0], NEUTRAL, held[-1]))
        for other, name in ((low, held[0]), (one, NEUTRAL)):
            for figure, better in (("nll", -1), ("coverage", 1), ("sample_entropy", 1)):
                above, below = high.spread(figure), other.spread(figure)
                richer = above.low > below.high if better > 0 else above.high < below.low
                cases.append(Case(f"{figure.replace('_', ' ')}, {data}, {plain(held[-1])} over {plain(name)}", richer))
        slopes.append(f"{data} {_slope(chosen)}")
    learned = fitted.where(det=None)
    head = ["data", *("A = I" if not block else f"A learned, blocks of {block}" for block in learned.distinct("block"))]
    evidence = {
        "richness": {data: _richness(fitted.where(data=data)) for data in fitted.distinct("data")},
        "richer": count(cases),
        "exceptions": exceptions(cases),
        "slopes": "; ".join(slopes),
        "gains": table(head, [_gain(learned, data) for data in fitted.distinct("data")]),
    }
    figure = f"change of loss in nats for each factor of ten in det A: {'; '.join(slopes)}"
    good = sum(case.holds for case in cases)
    verdict = (
        "holds" if good == len(cases) else "fails" if good == 0 else f"fails in {len(cases) - good} of {len(cases)}"
    )
    return Claim(7, SAID, f"{verdict} comparisons" if "of" in verdict else verdict, figure, evidence)


def _richness(chosen: Results) -> str:
    exact = chosen.has("kl")
    head = [
        "variant",
        "KL, nats" if exact else "loss, nats",
        "entropy of samples",
        "coverage",
        "density",
        "mean log det",
    ]
    figures = ["kl" if exact else "nll", "sample_entropy", "coverage", "density", "mean_ladj"]
    rows = [[name, *(part.spread(figure) for figure in figures)] for name, part in variants(chosen).items()]
    return table(head, rows)


def _slope(chosen: Results) -> Spread:
    """Least-squares slope of the loss over log10 |det A|, one for each seed."""
    slopes = []
    for seed in chosen.distinct("seed"):
        points = [(math.log10(float(row.settings["det"] or 0)), row.figures["nll"]) for row in chosen.where(seed=seed)
                  if row.settings["det"] is not None]  # fmt: skip
        middle = sum(x for x, _ in points) / len(points)
        slopes.append(sum((x - middle) * y for x, y in points) / sum((x - middle) ** 2 for x, _ in points))
    return Spread(sum(slopes) / len(slopes), min(slopes), max(slopes))


def _gain(learned: Results, data: Value) -> list[object]:
    return [data, *(learned.where(data=data, block=block).spread("nll") for block in learned.distinct("block"))]
