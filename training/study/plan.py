"""The trials of the study, made from plan.toml, and the experiments that each claim needs."""

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final

from ..flow_section import FlowSection
from ..recipe import FitSection
from .populations import LAWS, TABLES
from .trial import Trial

PLAN: Final = Path(__file__).parent / "plan.toml"
GRID: Final = ("moons", "circles")
PRODUCT: Final = "product of moons"
TRIANGULAR: Final = (PRODUCT, *TABLES)
TOPOLOGY: Final = tuple(name for name in LAWS if name not in {*GRID, *TRIANGULAR})

# The experiments that each claim is judged on.
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
    """Units per hidden layer, and number of epochs."""

    hidden: int
    epochs: int


class Plan:
    """All trials of the study, at full size or at the small size that the tests run."""

    def __init__(self, *, quick: bool) -> None:
        self.quick = quick
        self._settings: dict[str, Any] = tomllib.loads(PLAN.read_text(encoding="utf-8"))
        self.seeds: list[int] = self._settings["fit"]["seeds"][: 1 if quick else None]
        sizes = self._settings["quick" if quick else "grid"]["sizes"]
        self.sizes = [Size(*size) for size in sizes]

    def trials(self, experiments: Iterable[str] | None = None) -> list[Trial]:
        """Every trial of these experiments (None: of all), the most costly first."""
        chosen = (
            set(experiments) if experiments is not None else {name for names in EVIDENCE.values() for name in names}
        )
        found = [
            trial for trial in (*self._grid(), *self._two_columns(), *self._triangular()) if trial.experiment in chosen
        ]
        return sorted(found, key=lambda trial: -trial.cost)

    @property
    def layers(self) -> list[int]:
        """Numbers of coupling layers in the grid."""
        layers: list[int] = self._settings["grid"]["layers"]
        return layers

    @property
    def fixed_dets(self) -> list[float]:
        """The values at which |det A| is fixed."""
        fixed: list[float] = self._settings["triangular"]["fixed_dets"]
        return fixed

    @property
    def block(self) -> int:
        """Size of the diagonal blocks of A in the variants with blocks."""
        block: int = self._settings["triangular"]["block"]
        return block

    def _grid(self) -> Iterator[Trial]:
        for data, size, layers, seed in product(GRID, self.sizes, self.layers, self.seeds):
            yield self._trial("grid", data, layers, size, seed)

    def _two_columns(self) -> Iterator[Trial]:
        for experiment, names in (("topology", TOPOLOGY), ("severed", GRID)):
            settings = self._settings[experiment]
            size = self.sizes[0] if self.quick else Size(*settings["size"])
            for data, seed in product(names, self.seeds):
                trial = self._trial(experiment, data, settings["layers"], size, seed)
                yield trial.model_copy(update={"severed": experiment == "severed"})

    def _triangular(self) -> Iterator[Trial]:
        fixed = [(self.block, det) for det in self.fixed_dets]
        for data, (block, det), seed in product(
            TRIANGULAR, [(0, None), (1, None), (self.block, None), *fixed], self.seeds
        ):
            yield self._triangular_trial(data, block, det, seed)
        for seed in self.seeds:
            with_gradient = self._triangular_trial(PRODUCT, 0, None, seed)
            yield with_gradient.model_copy(update={"experiment": "severed", "severed": True})

    def _triangular_trial(self, data: str, block: int, det: float | None, seed: int) -> Trial:
        settings, quick = self._settings["triangular"], self._settings["quick"]
        size = quick if self.quick else settings
        flow = self._flow(settings["layers"], size["hidden"]).model_copy(update={"block": block, "det": det})
        fit = FitSection(
            epochs=size["epochs"], batch=settings["batch"], learning_rate=settings["learning_rate"], seed=seed
        )
        rows = quick["triangular_rows"] if self.quick else settings["rows"]
        return Trial(experiment="triangular", data=data, rows=rows, flow=flow, fit=fit)

    def _trial(self, experiment: str, data: str, layers: int, size: Size, seed: int) -> Trial:
        settings = self._settings["fit"]
        fit = FitSection(
            epochs=size.epochs, batch=settings["batch"], learning_rate=settings["learning_rate"], seed=seed
        )
        rows = self._settings["quick"]["rows"] if self.quick else self._settings["grid"]["rows"]
        return Trial(experiment=experiment, data=data, rows=rows, flow=self._flow(layers, size.hidden), fit=fit)

    def _flow(self, layers: int, hidden: int) -> FlowSection:
        settings = self._settings["flow"]
        return FlowSection(layers=layers, hidden=hidden, depth=settings["depth"], limit=settings["limit"])
