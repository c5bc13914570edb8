"""Claim 1: more coupling layers match the data better."""

from itertools import pairwise, product
from typing import Final

from ..results import Results
from . import unit
from .claim import Case, Claim, all_hold, count, exceptions, none_holds, table

SAID: Final = "More coupling layers match the data better."


def judge(results: Results) -> Claim:
    """By KL in the grid: a step up in layers is better when the ranges over the seeds do not touch."""
    grid = results.where(experiment="grid")
    layers = grid.distinct("layers")
    rows: list[list[object]] = []
    steps: list[Case] = []
    ends: list[Case] = []
    for data, hidden, epochs in product(*(grid.distinct(name) for name in ("data", "hidden", "epochs"))):
        kl = [grid.where(data=data, hidden=hidden, epochs=epochs, layers=layer).spread("kl") for layer in layers]
        rows.append([data, hidden, epochs, *kl])
        where = f"{data} at {hidden}/{epochs}"
        steps += [
            Case(f"{few} to {many} on {where}", after.high < before.low)
            for (few, before), (many, after) in pairwise(zip(layers, kl, strict=True))
        ]
        ends.append(Case(where, kl[-1].high < kl[0].low))
    evidence = {
        "steps": count(steps),
        "ends": count(ends),
        "exceptions": exceptions(steps),
        "kl": table(["data", "units", "epochs", *(f"layers: {layer}" for layer in layers)], rows),
    }
    return Claim(1, SAID, _verdict(steps, ends), _figure(grid), evidence | unit.readings(results))


def _verdict(steps: list[Case], ends: list[Case]) -> str:
    if all_hold(steps):
        return "holds"
    if none_holds(ends):
        return "fails"
    return f"holds only if the ends are compared ({count(ends)} settings); of single steps, {count(steps)}"


def _figure(grid: Results) -> str:
    layers = grid.distinct("layers")
    small = grid.where(hidden=grid.distinct("hidden")[0], epochs=grid.distinct("epochs")[0])
    parts = []
    for data in grid.distinct("data"):
        first, last = (small.where(data=data, layers=layer).spread("kl") for layer in (layers[0], layers[-1]))
        parts.append(f"{data}: KL {first} with {layers[0]}, {last} with {layers[-1]}")
    return "; ".join(parts)
