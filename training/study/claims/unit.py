"""Which unit can the losses of the coursework have? It gives 318.009 with one layer, 71.656 with five, and no unit."""

import math
from dataclasses import dataclass
from itertools import product
from typing import Final

from ..results import Results, Spread, number
from .claim import table

ONE_LAYER: Final = 318.009
FIVE_LAYERS: Final = 71.656
CONSTANT: Final = math.log(2 * math.pi)  # the constant of a standard normal in two dimensions: 2 x 0.5 log(2 pi)
CONSISTENT: Final = "consistent"
POSSIBLE: Final = "possible, but not our losses"


@dataclass(frozen=True, slots=True)
class Reading:
    """Our losses in one unit, with the fewest and the most layers. No loss can be below the entropy."""

    data: str
    size: str
    unit: str
    one: Spread
    five: Spread
    entropy: float

    @property
    def factor(self) -> float:
        """318.009 divided by our loss with one layer; for a sum over a batch, the rows of the batch."""
        return ONE_LAYER / self.one.mean

    @property
    def judgement(self) -> str:
        """Whether one positive factor explains both numbers."""
        if self.one.low <= 0:
            return "no: our loss is not positive"
        low, high = (FIVE_LAYERS / ONE_LAYER * value for value in (self.one.low, self.one.high))
        if high < self.entropy:
            return "impossible: below the entropy"
        return CONSISTENT if low <= self.five.high and self.five.low <= high else POSSIBLE

    @property
    def cells(self) -> list[object]:
        """Its row in the table."""
        implied = number(FIVE_LAYERS / self.factor) if self.one.low > 0 else ""
        factor = number(self.factor) if self.one.low > 0 else ""
        return [self.data, self.unit, self.one, factor, implied, self.five, number(self.entropy), self.judgement]


def readings(results: Results) -> dict[str, object]:
    """The table at the first size, and the readings of all sizes that are consistent or possible."""
    found = _all(results)
    head = [
        "data",
        "unit",
        "our loss, fewest layers",
        "318.009 / our loss",
        "71.656 in this unit",
        "our loss, most layers",
    ]
    return {
        "size": found[0].size,
        "units": table([*head, "entropy", "judgement"], [one.cells for one in found if one.size == found[0].size]),
        "readings": len(found),
        "consistent": _named(found, CONSISTENT),
        "possible": _named(found, POSSIBLE),
    }


def _named(found: list[Reading], judgement: str) -> str:
    sizes: dict[str, list[str]] = {}
    for one in found:
        if one.judgement == judgement:
            sizes.setdefault(one.unit, []).append(f"{one.data} {one.size}")
    return "; ".join(f"{name} ({', '.join(found_at)})" for name, found_at in sizes.items()) or "none"


def _all(results: Results) -> list[Reading]:
    grid, laws = results.where(experiment="grid"), results.where(experiment="laws")
    layers = grid.distinct("layers")
    found = []
    for hidden, epochs, data in product(*(grid.distinct(name) for name in ("hidden", "epochs", "data"))):
        law = laws.where(data=data)
        scale, entropy = law.spread("log_scale").mean, law.spread("entropy").mean
        chosen = grid.where(data=data, hidden=hidden, epochs=epochs)
        one, five = (chosen.where(layers=layer).spread("nll") for layer in (layers[0], layers[-1]))
        units = {
            "nats": 0.0,
            "nats of standardised columns": -scale,
            "nats without log 2 pi": -CONSTANT,
            "nats of standardised columns without log 2 pi": -scale - CONSTANT,
        }
        found += [
            Reading(str(data), f"{hidden}/{epochs}", name, one.plus(shift), five.plus(shift), entropy + shift)
            for name, shift in units.items()
        ]
    return found
