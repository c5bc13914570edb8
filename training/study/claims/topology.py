"""Claim 2: moons are easier than circles, because the classes are better separated.

The fact, the stated reason and a rival reason (closed rings) are judged separately.
"""

from itertools import pairwise, product
from typing import Final

from ..results import Results, Spread
from .claim import Claim, Comparison, count, exceptions, table

STATEMENT: Final = "Moons are easier than circles, because the classes are better separated."

# The stated reason predicts that each series gets easier from left to right, as the gap gets wider.
GAPS: Final = (
    ("moons", "moons, gap +0.25", "moons, gap +0.5"),
    ("circles, factor 0.7", "circles", "circles, factor 0.3"),
)
# The rival reason predicts that each series gets easier from left to right, although the gap between the classes stays
# the same or there is only one class.
OPENINGS: Final = (
    "circles", "circles, opened by 30 degrees", "circles, opened by 90 degrees", "circles, opened by 180 degrees",
)  # fmt: skip
SINGLES: Final = ("one circle", "one half circle")
NOISES: Final = (("moons", "circles"), ("moons, noise 0.1", "circles, noise 0.1"))

# The rows of the table: the target, and what it changes.
CHANGES: Final = (
    ("moons", ""),
    ("moons, gap +0.25", "gap"),
    ("moons, gap +0.5", "gap"),
    ("circles, factor 0.7", "gap (narrower)"),
    ("circles", ""),
    ("circles, factor 0.3", "gap (wider)"),
    ("moons, noise 0.1", "noise"),
    ("circles, noise 0.1", "noise"),
    ("circles, opened by 30 degrees", "topology"),
    ("circles, opened by 90 degrees", "topology"),
    ("circles, opened by 180 degrees", "topology"),
    ("one circle", "one class, closed"),
    ("one half circle", "one class, open"),
)


def judge(results: Results) -> Claim:
    """Judges the fact by KL at equal budget in the grid, and the reasons by targets that change one thing."""
    grid = results.where(experiment="grid")
    facts = [
        Comparison(f"{layers} layers at {hidden}/{epochs}", _kl(chosen, "moons").high < _kl(chosen, "circles").low)
        for layers, hidden, epochs in product(*(grid.distinct(name) for name in ("layers", "hidden", "epochs")))
        for chosen in [grid.where(layers=layers, hidden=hidden, epochs=epochs)]
    ]
    same = _same_budget(results)
    gaps = [_easier(same, before, after) for series in GAPS for before, after in pairwise(series)]
    noises = [_easier(same, circles, moons) for moons, circles in NOISES]
    rival = [_easier(same, OPENINGS[0], opened) for opened in OPENINGS[1:]] + [_easier(same, *SINGLES)]
    evidence = {
        "facts": count(facts),
        "fact_exceptions": exceptions(facts),
        "gaps": count(gaps),
        "gap_exceptions": exceptions(gaps),
        "noises": count(noises),
        "rival": count(rival),
        "rival_exceptions": exceptions(rival),
        "budget": _budget(results),
        "kl": table(["target", "what changes", "KL"], [[name, change, _kl(same, name)] for name, change in CHANGES]),
    }
    circle, half = (_kl(same, name) for name in SINGLES)
    moons, circles, opened = (_kl(same, name) for name in ("moons", "circles", OPENINGS[2]))
    result = (
        f"KL moons {moons}, circles {circles}; circles opened by 90 degrees {opened}; one circle alone {circle}, "
        f"one half circle {half}"
    )
    return Claim(2, STATEMENT, _verdict(facts, gaps, rival), result, evidence)


def _verdict(facts: list[Comparison], gaps: list[Comparison], rival: list[Comparison]) -> str:
    shares = [sum(one.holds for one in found) / len(found) for found in (facts, gaps, rival)]
    fact = "the fact holds" if shares[0] == 1 else f"the fact holds only in {count(facts)} settings"
    if shares[0] == 0:
        return "fails"
    reasons = f"(gap: {count(gaps)} predictions, closed rings: {count(rival)})"
    if shares[2] > shares[1]:
        return f"{fact}; the reason fails: closed rings explain more than gaps {reasons}"
    return f"{fact}; the reason holds {reasons}" if shares[1] == 1 else f"{fact}; the reason is not settled {reasons}"


def _same_budget(results: Results) -> Results:
    topology = results.where(experiment="topology")
    budget = {name: topology.distinct(name)[0] for name in ("layers", "hidden", "epochs")}
    return Results([*topology, *results.where(experiment="grid", **budget)])


def _budget(results: Results) -> str:
    layers, hidden, epochs = (
        results.where(experiment="topology").distinct(name)[0] for name in ("layers", "hidden", "epochs")
    )
    return f"{layers} layers, {hidden} units, {epochs} epochs"


def _kl(results: Results, data: str) -> Spread:
    return results.where(data=data).spread("kl")


def _easier(results: Results, harder: str, easier: str) -> Comparison:
    return Comparison(f"{harder} to {easier}", _kl(results, easier).high < _kl(results, harder).low)
