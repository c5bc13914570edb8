"""Claim 3: more width and more epochs match better. The effects of width and of epochs are measured separately."""

from itertools import product
from typing import Final

from ..results import Results, Spread, Value, number
from .claim import Claim, Comparison, all_hold, count, exceptions, none_holds, table

STATEMENT: Final = "Going from hidden 512 / 10 epochs to 1024 / 20 epochs matches better."


def judge(results: Results) -> Claim:
    """Judges by the decrease of KL, paired by seed: of both together, of width alone and of epochs alone."""
    grid = results.where(experiment="grid")
    (narrow, wide), (short, long) = (grid.distinct(name) for name in ("hidden", "epochs"))
    rows: list[list[object]] = []
    both_help: list[Comparison] = []
    decreases: dict[str, list[float]] = {"together": [], "width": [], "epochs": []}
    for data, layers in product(grid.distinct("data"), grid.distinct("layers")):
        chosen = grid.where(data=data, layers=layers)
        both = _decrease(chosen, (narrow, short), (wide, long))
        width = _mean_of_both(
            _decrease(chosen, (narrow, short), (wide, short)), _decrease(chosen, (narrow, long), (wide, long))
        )
        epochs = _mean_of_both(
            _decrease(chosen, (narrow, short), (narrow, long)), _decrease(chosen, (wide, short), (wide, long))
        )
        rows.append([data, layers, *(_spread(values) for values in (both, width, epochs))])
        both_help.append(Comparison(f"{data}, {layers} layers", min(both) > 0))
        for name, values in zip(decreases, (both, width, epochs), strict=True):
            decreases[name] += values
    together, by_width, by_epochs = (_spread(values) for values in decreases.values())
    wider = [Comparison("", row[3].low > 0) for row in rows if isinstance(row[3], Spread)]
    longer = [Comparison("", row[4].low > 0) for row in rows if isinstance(row[4], Spread)]
    evidence = {
        "small": f"{narrow}/{short}",
        "large": f"{wide}/{long}",
        "decreases": table(["data", "layers", "together", "by width", "by epochs"], rows),
        "together": count(both_help),
        "wider": count(wider),
        "longer": count(longer),
        "exceptions": exceptions(both_help),
        "price": number(_price(grid, (narrow, short), (wide, long))),
    }
    result = f"mean decrease of KL {together}: by width {by_width}, by epochs {by_epochs}"
    return Claim(3, STATEMENT, _verdict(both_help, wider, longer), result, evidence)


def _verdict(both_help: list[Comparison], wider: list[Comparison], longer: list[Comparison]) -> str:
    if none_holds(both_help):
        return "fails"
    head = "holds" if all_hold(both_help) else f"holds only in {count(both_help)} settings"
    wider_count, longer_count = (sum(comparison.holds for comparison in found) for found in (wider, longer))
    if wider_count == longer_count:
        return f"{head}; width and epochs help equally ({count(wider)} each)"
    cause = "the epochs help more" if longer_count > wider_count else "the width helps more"
    return f"{head}; {cause} (epochs {count(longer)}, width {count(wider)})"


def _decrease(chosen: Results, before: tuple[Value, Value], after: tuple[Value, Value]) -> list[float]:
    first, last = (chosen.where(hidden=hidden, epochs=epochs).values("kl") for hidden, epochs in (before, after))
    return [a - b for a, b in zip(first, last, strict=True)]


def _mean_of_both(first: list[float], second: list[float]) -> list[float]:
    return [(a + b) / 2 for a, b in zip(first, second, strict=True)]


def _spread(values: list[float]) -> Spread:
    return Spread(sum(values) / len(values), min(values), max(values))


def _price(grid: Results, before: tuple[Value, Value], after: tuple[Value, Value]) -> float:
    def seconds(size: tuple[Value, Value]) -> float:
        chosen = grid.where(hidden=size[0], epochs=size[1])
        return chosen.spread("seconds_per_epoch").mean * float(size[1] or 0)

    return seconds(after) / seconds(before)
