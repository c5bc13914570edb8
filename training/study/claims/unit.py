"""The unit of the coursework's losses, 318.009 with one layer and 71.656 with five, is not stated: which can it be?"""

import math
from dataclasses import dataclass
from itertools import product
from typing import Final

from ..results import Results, Spread, number
from .claim import table

ONE_LAYER: Final = 318.009
FIVE_LAYERS: Final = 71.656
CONSTANT: Final = math.log(2 * math.pi)  # of a standard normal in the plane: twice half of log 2 pi
CONSISTENT: Final = "consistent"
POSSIBLE: Final = "possible, not what we see"


@dataclass(frozen=True, slots=True)
class Reading:
    """Our losses in one unit: with the fewest and the most layers, and the entropy that no loss can pass."""

    data: str
    size: str
    unit: str
    one: Spread
    five: Spread
    entropy: float

    @property
    def times(self) -> float:
        """What 318.009 is, as a multiple of our loss with one layer: the rows of a batch, say."""
        return ONE_LAYER / self.one.mean

    @property
    def judgement(self) -> str:
        """Whether one positive multiplier explains both numbers."""
        if self.one.low <= 0:
            return "no: ours is not positive"
        low, high = (FIVE_LAYERS / ONE_LAYER * value for value in (self.one.low, self.one.high))
        if high < self.entropy:
            return "impossible: below the entropy"
        return CONSISTENT if low <= self.five.high and self.five.low <= high else POSSIBLE

    @property
    def cells(self) -> list[object]:
        """Its line in the table."""
        then = number(FIVE_LAYERS / self.times) if self.one.low > 0 else ""
        times = number(self.times) if self.one.low > 0 else ""
        return [self.data, self.unit, self.one, times, then, self.five, number(self.entropy), self.judgement]


def readings(results: Results) -> dict[str, object]:
    """The readings at the first size, and which of all sizes could be meant."""
    found = _all(results)
    head = ["data", "unit", "ours, fewest layers", "318.009 is so many of it", "71.656 is then", "ours, most layers"]
    return {
        "size": found[0].size,
        "units": table([*head, "entropy", "so"], [one.cells for one in found if one.size == found[0].size]),
        "readings": len(found),
        "consistent": _named(found, CONSISTENT),
        "possible": _named(found, POSSIBLE),
    }


def _named(found: list[Reading], judgement: str) -> str:
    places: dict[str, list[str]] = {}
    for one in found:
        if one.judgement == judgement:
            places.setdefault(one.unit, []).append(f"{one.data} {one.size}")
    return "; ".join(f"{name} ({', '.join(where)})" for name, where in places.items()) or "none"


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
