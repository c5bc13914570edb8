"""The results file: one row a trial or probe, settings then figures; every number of the report is a mean of rows."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from .populations import LAWS, TABLES
from .trial import Outcome, Trial

Value = str | int | float | None

SETTINGS: Final = (
    "id", "experiment", "data", "layers", "hidden", "epochs", "block", "det", "severed", "seed",
)  # fmt: skip
FIGURES: Final = (
    "parameters", "steps_per_epoch", "seconds_per_epoch", "setbacks", "skipped",
    "nll", "kl", "kl_error", "kl_tail", "mean_ladj", "sample_entropy", "coverage", "density",
    "round_trip", "log_prob_error", "refused", "condition", "log_det_a", "diagonal_error",
    "best_epoch", "half_nll", "steps_to_level",
    "columns", "entropy", "log_scale", "formula_seconds", "jacobian_seconds", "ladj_error", "mass", "mass_without_det",
    "microseconds_per_sample", "parity",
)  # fmt: skip
DIGITS: Final = 6
_DATA: Final = {name: float(place) for place, name in enumerate([*LAWS, *TABLES])}


@dataclass(frozen=True, slots=True)
class Row:
    """Settings and figures of one trial or probe; what does not apply is absent."""

    settings: Mapping[str, Value]
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over the seeds: its mean, and the lowest and highest."""

    mean: float
    low: float
    high: float

    def plus(self, shift: float) -> "Spread":
        """The figure in another unit."""
        return Spread(self.mean + shift, self.low + shift, self.high + shift)

    def __str__(self) -> str:
        """Mean and range; the mean alone where the digits shown agree."""
        mean, low, high = map(number, (self.mean, self.low, self.high))
        return mean if low == high else f"{mean} ({low} to {high})"


class Results:
    """Rows, chosen by their settings."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = tuple(rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, **settings: Value) -> "Results":
        """The rows with these settings."""
        return Results(row for row in self.rows if all(row.settings.get(key) == v for key, v in settings.items()))

    def values(self, figure: str) -> list[float]:
        """The figure in each row that has it, in the order of the seeds."""
        ordered = sorted(self.rows, key=lambda row: str(row.settings.get("seed")))
        return [row.figures[figure] for row in ordered if figure in row.figures]

    def spread(self, figure: str) -> Spread:
        """The figure over the rows."""
        values = self.values(figure)
        return Spread(sum(values) / len(values), min(values), max(values))

    def distinct(self, setting: str) -> list[Value]:
        """The values of a setting: numbers in their order, names as they first appear; absent ones are left out."""
        found = dict.fromkeys(row.settings.get(setting) for row in self.rows)
        values = [value for value in found if value is not None]
        return sorted(values, key=_order)

    def has(self, figure: str) -> bool:
        """Whether any row has the figure."""
        return any(figure in row.figures for row in self.rows)


def row(trial: Trial, outcome: Outcome) -> Row:
    """The row of a trial."""
    settings: dict[str, Value] = {
        "id": trial.id,
        "experiment": trial.experiment,
        "data": trial.data,
        "layers": trial.flow.layers,
        "hidden": trial.flow.hidden,
        "epochs": trial.fit.epochs,
        "block": trial.flow.block,
        "det": trial.flow.det,
        "severed": int(trial.severed),
        "seed": trial.fit.seed,
    }
    best = min(outcome.record, key=lambda line: line.validation_nll)
    half = outcome.record[len(outcome.record) // 2 - 1 if len(outcome.record) > 1 else 0]
    figures = outcome.figures | {"best_epoch": float(best.epoch), "half_nll": half.validation_nll}
    return Row(settings, figures)


def to_csv(results: Results) -> str:
    """The text of results.csv, rows in the order of their settings."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*SETTINGS, *FIGURES])
    lines: list[list[str]] = [
        [_cell(row.settings.get(name)) for name in SETTINGS] + [_cell(row.figures.get(name)) for name in FIGURES]
        for row in results
    ]
    ordered = sorted(lines, key=_place)
    writer.writerows(ordered)
    return buffer.getvalue()


def from_csv(text: str) -> Results:
    """The rows of a results.csv that this program wrote."""
    rows = []
    for line in csv.DictReader(io.StringIO(text)):
        settings = {name: _setting(name, line[name]) for name in SETTINGS}
        figures = {name: float(line[name]) for name in FIGURES if line.get(name)}
        rows.append(Row(settings, figures))
    return Results(rows)


def number(value: float) -> str:
    """Three significant digits, as a person writes them."""
    if value == 0:
        return "0"
    size = abs(value)
    if size < 1e-3 or size >= 1e6:  # noqa: PLR2004  (where powers of ten are easier to read)
        return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e")
    if size >= 1000:  # noqa: PLR2004  (the same)
        return f"{value:,.0f}"
    return f"{value:#.3g}".rstrip(".") if round(size, 3) >= 1 else f"{value:.3f}"


def _order(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _cell(value: Value) -> str:
    if value is None:
        return ""
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value)


def _place(cells: list[str]) -> list[tuple[int, float, str]]:
    experiment, data, *others = cells[1:]
    # Data sets in the order in which the study introduces them.
    return [_sortable(experiment), (0, _DATA.get(data, 0.0), ""), *map(_sortable, others)]


def _sortable(cell: str) -> tuple[int, float, str]:
    try:
        return (0, float(cell), "")
    except ValueError:
        return (1, 0.0, cell)


def _setting(name: str, cell: str) -> Value:
    if not cell:
        return None
    if name in {"id", "experiment", "data"}:
        return cell
    return float(cell) if name == "det" else int(cell)
