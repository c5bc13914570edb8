"""Claim 3: wider and longer matches better; the effect of width and that of epochs, apart."""

from itertools import product
from typing import Final

from ..results import Results, Spread, Value, number
from .claim import Case, Claim, count, exceptions, table

SAID: Final = "Going from hidden 512 / 10 epochs to 1024 / 20 epochs matches better."


def judge(results: Results) -> Claim:
    """By the fall of KL, paired by seed: together, by width alone and by epochs alone."""
    grid = results.where(experiment="grid")
    (narrow, wide), (short, long) = (grid.distinct(name) for name in ("hidden", "epochs"))
    rows: list[list[object]] = []
    cases: list[Case] = []
    falls: dict[str, list[float]] = {"together": [], "width": [], "epochs": []}
    for data, layers in product(grid.distinct("data"), grid.distinct("layers")):
        chosen = grid.where(data=data, layers=layers)
        both = _fall(chosen, (narrow, short), (wide, long))
        width = _halves(_fall(chosen, (narrow, short), (wide, short)), _fall(chosen, (narrow, long), (wide, long)))
        epochs = _halves(_fall(chosen, (narrow, short), (narrow, long)), _fall(chosen, (wide, short), (wide, long)))
        rows.append([data, layers, *(_spread(values) for values in (both, width, epochs))])
        cases.append(Case(f"{data}, {layers} layers", min(both) > 0))
        for name, values in zip(falls, (both, width, epochs), strict=True):
            falls[name] += values
    together, by_width, by_epochs = (_spread(values) for values in falls.values())
    wider = [Case("", row[3].low > 0) for row in rows if isinstance(row[3], Spread)]
    longer = [Case("", row[4].low > 0) for row in rows if isinstance(row[4], Spread)]
    evidence = {
        "small": f"{narrow}/{short}",
        "large": f"{wide}/{long}",
        "falls": table(["data", "layers", "together", "by width", "by epochs"], rows),
        "together": count(cases),
        "wider": count(wider),
        "longer": count(longer),
        "exceptions": exceptions(cases),
        "price": number(_price(grid, (narrow, short), (wide, long))),
    }
    figure = f"mean fall of KL {together}: by width {by_width}, by epochs {by_epochs}"
    return Claim(3, SAID, _verdict(cases, wider, longer), figure, evidence)


def _verdict(cases: list[Case], wider: list[Case], longer: list[Case]) -> str:
    if not any(case.holds for case in cases):
        return "fails"
    head = "holds" if all(case.holds for case in cases) else f"holds only in {count(cases)} settings"
    if sum(c.holds for c in wider) == sum(c.holds for c in longer):
        return f"{head}; width and epochs help alike ({count(wider)} each)"
    more = sum(c.holds for c in longer) > sum(c.holds for c in wider)
    return (
        f"{head}; {'the epochs do it' if more else 'the width does it'} (epochs {count(longer)}, width {count(wider)})"
    )


def _fall(chosen: Results, before: tuple[Value, Value], after: tuple[Value, Value]) -> list[float]:
    first, last = (chosen.where(hidden=hidden, epochs=epochs).values("kl") for hidden, epochs in (before, after))
    return [a - b for a, b in zip(first, last, strict=True)]


def _halves(first: list[float], second: list[float]) -> list[float]:
    return [(a + b) / 2 for a, b in zip(first, second, strict=True)]


def _spread(values: list[float]) -> Spread:
    return Spread(sum(values) / len(values), min(values), max(values))


def _price(grid: Results, before: tuple[Value, Value], after: tuple[Value, Value]) -> float:
    def seconds(size: tuple[Value, Value]) -> float:
        chosen = grid.where(hidden=size[0], epochs=size[1])
        return chosen.spread("seconds_per_epoch").mean * float(size[1] or 0)

    return seconds(after) / seconds(before)
