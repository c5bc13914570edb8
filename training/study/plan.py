"""Which trials answer which claims: plan.toml, spelled out."""

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final

from ..recipe import FitSection, FlowSection
from .populations import LAWS, TABLES
from .trial import Trial

PLAN: Final = Path(__file__).parent / "plan.toml"
GRID: Final = ("moons", "circles")
PRODUCT: Final = "product of moons"
TRIANGULAR: Final = (PRODUCT, *TABLES)
TOPOLOGY: Final = tuple(name for name in LAWS if name not in {*GRID, *TRIANGULAR})

# Which experiments a claim is judged on.
EVIDENCE: Final[dict[int, tuple[str, ...]]] = {
    1: ("grid",),
    2: ("grid", "topology"),
    3: ("grid",),
    4: ("grid", "severed", "triangular"),
    5: ("triangular",),
    6: ("triangular",),
    7: ("triangular",),
}


@dataclass(frozen=True, slots=True)
class Size:
    """Units per hidden layer, and epochs."""

    hidden: int
    epochs: int


class Plan:
    """All trials of the study, in full or at the size that tests run."""

    def __init__(self, *, quick: bool) -> None:
        self.quick = quick
        self._knobs: dict[str, Any] = tomllib.loads(PLAN.read_text(encoding="utf-8"))
        self.seeds: list[int] = self._knobs["fit"]["seeds"][: 1 if quick else None]
        sizes = self._knobs["quick" if quick else "grid"]["sizes"]
        self.sizes = [Size(*size) for size in sizes]

    def trials(self, experiments: Iterable[str] | None = None) -> list[Trial]:
        """Every trial of these experiments (of all of them), the most costly first."""
        chosen = (
            set(experiments) if experiments is not None else {name for names in EVIDENCE.values() for name in names}
        )
        found = [trial for trial in (*self._grid(), *self._plane(), *self._triangular()) if trial.experiment in chosen]
        return sorted(found, key=lambda trial: -trial.cost)

    @property
    def layers(self) -> list[int]:
        """Coupling layers of the grid."""
        layers: list[int] = self._knobs["grid"]["layers"]
        return layers

    @property
    def held(self) -> list[float]:
        """The values at which |det A| is held."""
        held: list[float] = self._knobs["triangular"]["held"]
        return held

    @property
    def block(self) -> int:
        """Size of the diagonal blocks of A where it is larger than 1."""
        block: int = self._knobs["triangular"]["block"]
        return block

    def _grid(self) -> Iterator[Trial]:
        for data, size, layers, seed in product(GRID, self.sizes, self.layers, self.seeds):
            yield self._trial("grid", data, layers, size, seed)

    def _plane(self) -> Iterator[Trial]:
        for experiment, names in (("topology", TOPOLOGY), ("severed", GRID)):
            knobs = self._knobs[experiment]
            size = self.sizes[0] if self.quick else Size(*knobs["size"])
            for data, seed in product(names, self.seeds):
                trial = self._trial(experiment, data, knobs["layers"], size, seed)
                yield trial.model_copy(update={"severed": experiment == "severed"})

    def _triangular(self) -> Iterator[Trial]:
        held = [(self.block, det) for det in self.held]
        for data, (block, det), seed in product(
            TRIANGULAR, [(0, None), (1, None), (self.block, None), *held], self.seeds
        ):
            yield self._above_the_plane(data, block, det, seed)
        for seed in self.seeds:
            whole = self._above_the_plane(PRODUCT, 0, None, seed)
            yield whole.model_copy(update={"experiment": "severed", "severed": True})

    def _above_the_plane(self, data: str, block: int, det: float | None, seed: int) -> Trial:
        knobs, quick = self._knobs["triangular"], self._knobs["quick"]
        size = quick if self.quick else knobs
        flow = self._flow(knobs["layers"], size["hidden"]).model_copy(update={"block": block, "det": det})
        fit = FitSection(epochs=size["epochs"], batch=knobs["batch"], learning_rate=knobs["learning_rate"], seed=seed)
        rows = quick["triangular_rows"] if self.quick else knobs["rows"]
        return Trial(experiment="triangular", data=data, rows=rows, flow=flow, fit=fit)

    def _trial(self, experiment: str, data: str, layers: int, size: Size, seed: int) -> Trial:
        knobs = self._knobs["fit"]
        fit = FitSection(epochs=size.epochs, batch=knobs["batch"], learning_rate=knobs["learning_rate"], seed=seed)
        rows = self._knobs["quick"]["rows"] if self.quick else self._knobs["grid"]["rows"]
        return Trial(experiment=experiment, data=data, rows=rows, flow=self._flow(layers, size.hidden), fit=fit)

    def _flow(self, layers: int, hidden: int) -> FlowSection:
        knobs = self._knobs["flow"]
        return FlowSection(layers=layers, hidden=hidden, depth=knobs["depth"], limit=knobs["limit"])
