"""Claim 1: more coupling layers match the data better."""

from itertools import pairwise, product
from typing import Final

from ..results import Results
from . import unit
from .claim import Claim, Comparison, all_hold, count, exceptions, none_holds, table

STATEMENT: Final = "More coupling layers match the data better."


def judge(results: Results) -> Claim:
    """Judges by KL in the grid: more layers are better if the ranges over the seeds do not overlap."""
    grid = results.where(experiment="grid")
    layers = grid.distinct("layers")
    rows: list[list[object]] = []
    steps: list[Comparison] = []
    ends: list[Comparison] = []
    for data, hidden, epochs in product(*(grid.distinct(name) for name in ("data", "hidden", "epochs"))):
        kl = [grid.where(data=data, hidden=hidden, epochs=epochs, layers=layer).spread("kl") for layer in layers]
        rows.append([data, hidden, epochs, *kl])
        where = f"{data} at {hidden}/{epochs}"
        steps += [
            Comparison(f"{few} to {many} on {where}", after.high < before.low)
            for (few, before), (many, after) in pairwise(zip(layers, kl, strict=True))
        ]
        ends.append(Comparison(where, kl[-1].high < kl[0].low))
    evidence = {
        "steps": count(steps),
        "ends": count(ends),
        "exceptions": exceptions(steps),
        "kl": table(["data", "units", "epochs", *(f"layers: {layer}" for layer in layers)], rows),
    }
    return Claim(1, STATEMENT, _verdict(steps, ends), _result(grid), evidence | unit.readings(results))


def _verdict(steps: list[Comparison], ends: list[Comparison]) -> str:
    if all_hold(steps):
        return "holds"
    if none_holds(ends):
        return "fails"
    return (
        f"holds from the fewest to the most layers ({count(ends)} settings), but only for {count(steps)} single steps"
    )


def _result(grid: Results) -> str:
    layers = grid.distinct("layers")
    small = grid.where(hidden=grid.distinct("hidden")[0], epochs=grid.distinct("epochs")[0])
    results = []
    for data in grid.distinct("data"):
        first, last = (small.where(data=data, layers=layer).spread("kl") for layer in (layers[0], layers[-1]))
        results.append(f"{data}: KL {first} with {layers[0]} layer, {last} with {layers[-1]} layers")
    return "; ".join(results)
